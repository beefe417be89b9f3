"""What a process may use of its machine: control groups, processor, memory."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import resource
from pathlib import Path
from typing import Any


def cpu_quota(proc: Path = Path("/proc"), sysfs: Path = Path("/sys")) -> float | None:
    """Return the cores that the control group may use, None without a limit.

    Reads cpu.max of every group on the way up (cgroup v2), or cfs_quota_us (v1).
    """
    found = [_v2_quota(text) for text in _group_files(proc, sysfs, "", "cpu.max")]
    quota = [float(t) for t in _group_files(proc, sysfs, "cpu", "cpu.cfs_quota_us")]
    period = [float(t) for t in _group_files(proc, sysfs, "cpu", "cpu.cfs_period_us")]
    found += [q / p for q, p in zip(quota, period, strict=False) if q > 0]
    return min((limit for limit in found if limit is not None), default=None)


def _v2_quota(text: str) -> float | None:
    quota, period = text.split()
    return None if quota == "max" else int(quota) / int(period)


def memory_limit(proc: Path = Path("/proc"), sysfs: Path = Path("/sys")) -> int | None:
    """Return the bytes that the control group may use, None without a limit."""
    texts = _group_files(proc, sysfs, "", "memory.max")
    texts += _group_files(proc, sysfs, "memory", "memory.limit_in_bytes")
    # Version 1 says "no limit" by a number near 2^63.
    limits = [int(text) for text in texts if text != "max" and int(text) < 1 << 60]
    return min(limits, default=None)


def _group_files(proc: Path, sysfs: Path, controller: str, name: str) -> list[str]:
    """Return a file's content in this process's control group and in all above it."""
    try:
        rows = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return []
    texts = []
    for row in rows:
        _, controllers, path = row.split(":", 2)
        if controller not in controllers.split(","):
            continue
        group = Path(path.lstrip("/"))
        for part in (group, *group.parents):
            with contextlib.suppress(OSError):
                texts.append((sysfs / "fs/cgroup" / controller / part / name).read_text().strip())
    return texts


def cpu_model(proc: Path = Path("/proc")) -> str:
    """Return what the processor calls itself, else the architecture."""
    with contextlib.suppress(OSError):
        for line in (proc / "cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.machine()


def free_memory(proc: Path = Path("/proc")) -> int | None:
    """Return the bytes of memory that the kernel could hand out, None when it does not tell."""
    with contextlib.suppress(OSError):
        for line in (proc / "meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def fit_memory() -> None:
    """Let an allocation that finds no room fail, instead of the kernel killing the process."""
    room = [value for value in (free_memory(), memory_limit()) if value is not None]
    if room:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        with contextlib.suppress(OSError, ValueError):  # a sandbox may forbid it
            resource.setrlimit(resource.RLIMIT_DATA, (int(min(room) * 0.95), hard))


def cpu_facts() -> dict[str, Any]:
    """Return what decides how fast the CPU may compute; threads are cut to the quota."""
    import torch

    quota = cpu_quota()
    if quota is not None:  # more threads than cores would only wait for each other
        torch.set_num_threads(max(1, min(torch.get_num_threads(), math.floor(quota))))
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "affinity": len(os.sched_getaffinity(0)),
        "quota": quota,
        "threads": torch.get_num_threads(),
        "memoryLimitBytes": memory_limit(),
        "capability": torch.backends.cpu.get_cpu_capability(),
    }


def throttled(proc: Path = Path("/proc"), sysfs: Path = Path("/sys")) -> float | None:
    """Return the seconds for which the control group's quota held this process back so far."""
    for text in _group_files(proc, sysfs, "", "cpu.stat"):
        for line in text.splitlines():
            if line.startswith("throttled_usec"):
                return int(line.split()[1]) / 1e6
    return None
