"""What the workloads read of control groups and processors, from files as kernels write them."""

from pathlib import Path

from oc_gpu.bench.workloads import machine

CPUINFO = "processor\t: 0\nmodel name\t: Example CPU 9000\n\nprocessor\t: 1\n"


def _write(root: Path, files: dict[str, str]) -> tuple[Path, Path]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root / "proc", root / "sys"


def test_a_pod_limited_to_two_cores_is_seen(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/cpu.max": "200000 100000\n",
        "sys/fs/cgroup/memory.max": "4294967296\n",
    }
    proc, sysfs = _write(tmp_path, files)
    assert machine.cpu_quota(proc, sysfs) == 2.0
    assert machine.memory_limit(proc, sysfs) == 4 * 2**30


def test_the_tightest_group_on_the_way_up_counts(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/kubepods/pod1/main\n",
        "sys/fs/cgroup/kubepods/cpu.max": "max 100000\n",
        "sys/fs/cgroup/kubepods/pod1/cpu.max": "150000 100000\n",
        "sys/fs/cgroup/kubepods/pod1/main/cpu.max": "400000 100000\n",
        "sys/fs/cgroup/kubepods/pod1/main/memory.max": "max\n",
    }
    proc, sysfs = _write(tmp_path, files)
    assert machine.cpu_quota(proc, sysfs) == 1.5
    assert machine.memory_limit(proc, sysfs) is None


def test_groups_of_version_one_are_read(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:memory:/pod\n3:cpu,cpuacct:/pod\n0::/\n",
        "sys/fs/cgroup/cpu/pod/cpu.cfs_quota_us": "50000\n",
        "sys/fs/cgroup/cpu/pod/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/pod/memory.limit_in_bytes": "9223372036854771712\n",
    }
    proc, sysfs = _write(tmp_path, files)
    assert machine.cpu_quota(proc, sysfs) == 0.5
    assert machine.memory_limit(proc, sysfs) is None


def test_nothing_to_read_is_no_limit(tmp_path: Path) -> None:
    proc, sysfs = tmp_path / "proc", tmp_path / "sys"
    assert machine.cpu_quota(proc, sysfs) is None
    assert machine.memory_limit(proc, sysfs) is None
    assert machine.free_memory(proc) is None


def test_processor_and_free_memory_are_named(tmp_path: Path) -> None:
    files = {"proc/cpuinfo": CPUINFO, "proc/meminfo": "MemTotal: 9 kB\nMemAvailable: 7 kB\n"}
    proc, _ = _write(tmp_path, files)
    assert machine.cpu_model(proc) == "Example CPU 9000"
    assert machine.free_memory(proc) == 7168
