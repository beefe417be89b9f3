import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oc_gpu.sim import instances
from oc_gpu.sim.instances import SimulationError


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(instances.HOME_VARIABLE, str(tmp_path / "state"))
    yield
    for instance in instances.running():
        instances.down(instance.name)


def ask(kubeconfig: str) -> dict[str, object]:
    """Ask a simulation for what it says of itself, from another process."""
    program = (
        "import asyncio, sys\n"
        "from oc_gpu.kube import Client, ConnectOptions\n"
        "async def main():\n"
        "    async with Client.connect(ConnectOptions(kubeconfig=sys.argv[1])) as client:\n"
        "        print((await client.read('/simulation')).decode())\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, kubeconfig], capture_output=True, text=True, check=True
    )
    told: dict[str, object] = json.loads(done.stdout)
    return told


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_simulation_starts_in_time_goes_on_and_ends() -> None:
    begun = time.monotonic()
    started = instances.up("one", "no-gpu")
    assert time.monotonic() - begun < 5
    assert instances.running() == (started,)
    assert instances.kubeconfig("one") == Path(started.kubeconfig)
    assert ask(started.kubeconfig)["scenario"] == "no-gpu"
    folder = instances.folder_of("one")
    assert mode(folder) == 0o700
    assert mode(Path(started.kubeconfig)) == 0o600
    assert instances.down("one") is True
    assert instances.running() == ()
    assert not folder.exists()
    assert instances.down("one") is False


def test_name_that_is_taken_is_refused_and_leaves_the_other_alone() -> None:
    started = instances.up("one", "no-gpu")
    with pytest.raises(SimulationError, match="one runs already"):
        instances.up("one", "seed")
    assert instances.find("one") == started


def test_remains_of_a_crash_neither_show_nor_hinder() -> None:
    crashed = instances.up("one", "no-gpu")
    os.kill(crashed.pid, signal.SIGKILL)
    os.waitpid(crashed.pid, 0)
    assert instances.find("one") is None
    with pytest.raises(SimulationError, match="no simulation named one"):
        instances.kubeconfig("one")
    again = instances.up("one", "no-gpu")
    assert again.pid != crashed.pid
    assert instances.down("one") is True


def test_process_that_does_not_hold_the_lock_is_never_ended() -> None:
    folder = instances.folder_of("one")
    folder.mkdir(parents=True)
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        about = instances.Instance("one", "seed", "k", bystander.pid, "u")
        instances.describe(folder, about)
        (folder / "lock").touch()
        assert instances.down("one") is True
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_scenario_that_cannot_be_used_is_told_to_whoever_starts_it(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="no scenario named 'nix'") as caught:
        instances.up("one", "nix")
    assert "seed" in caught.value.hints[0]
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: [")
    with pytest.raises(SimulationError, match="is not YAML"):
        instances.up("one", str(broken))
    assert instances.running() == ()
    assert caught.value.exit_code == 2
    assert list(instances.home().iterdir()) == []


@pytest.mark.parametrize("name", ["", "../up", "a/b", "-x", "x" * 80])
def test_names_that_lead_out_of_the_folder_are_refused(name: str) -> None:
    with pytest.raises(SimulationError, match="cannot name a simulation") as caught:
        instances.up(name, "seed")
    assert caught.value.exit_code == 2


def test_state_folder_that_cannot_be_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(instances.HOME_VARIABLE, str(tmp_path / "file" / "below"))
    with pytest.raises(SimulationError, match=r"cannot keep a simulation in .*/file/below") as told:
        instances.up("one", "no-gpu")
    assert told.value.exit_code == 2
    assert instances.HOME_VARIABLE in told.value.hints[0]


@pytest.mark.usefixtures("broken_daemon")
def test_simulation_that_crashes_at_its_start_is_told_by_its_log_which_stays() -> None:
    with pytest.raises(SimulationError, match="one did not start: ValueError: broken") as caught:
        instances.up("one", "no-gpu")
    assert caught.value.exit_code == 1
    assert caught.value.hints == (f"see {instances.home()}/one/log",)
    assert "Traceback" in (instances.home() / "one" / "log").read_text()


@pytest.mark.usefixtures("broken_daemon")
def test_brief_simulation_that_crashes_at_its_start_leaves_nothing_and_names_no_log() -> None:
    with pytest.raises(SimulationError, match="did not start: ValueError: broken") as caught:
        instances.execute("no-gpu", ["true"])
    assert caught.value.hints == ()
    assert list(instances.home().iterdir()) == []


@pytest.fixture
def broken_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every new interpreter find a module that fails where the daemon needs one."""
    (tmp_path / "uvicorn").mkdir()
    (tmp_path / "uvicorn" / "__init__.py").write_text("raise ValueError('broken')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_command_runs_against_a_fresh_simulation_that_is_gone_afterwards() -> None:
    program = "import os, sys; sys.exit(7 if os.path.exists(os.environ['KUBECONFIG']) else 1)"
    assert instances.execute("no-gpu", [sys.executable, "-c", program]) == 7
    assert instances.running() == ()
    with pytest.raises(SimulationError, match="no program 'no-such-program'"):
        instances.execute("no-gpu", ["no-such-program"])
    assert instances.running() == ()


def test_temporary_simulation_ends_with_the_process_that_wanted_it() -> None:
    program = (
        "import os, sys\n"
        "from oc_gpu.sim import instances\n"
        "with instances.temporary('no-gpu', name='brief') as started:\n"
        "    print(started.pid, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert int(holder.stdout.readline()) > 0
    assert instances.find("brief") is not None
    with (instances.folder_of("brief") / "lock").open("a") as lock:
        holder.kill()
        holder.communicate()
        fcntl.flock(lock, fcntl.LOCK_EX)  # free when the simulation has ended
    assert instances.find("brief") is None
    assert list(instances.home().iterdir()) == []
