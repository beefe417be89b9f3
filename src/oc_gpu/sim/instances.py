"""Simulated clusters in processes of their own: start, find, list, end.

Each has a private folder below `home()` with its kubeconfig, a description, a log and a lock. The
process holds the lock for as long as it lives: that tells a living simulation from the remains of
one that crashed, and whose process may be ended.
"""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import Struct

from oc_gpu.kube.errors import OcGpuError, clean

HOME_VARIABLE = "OC_GPU_SIM_HOME"
"""Environment variable that names another folder for the state of simulations."""
START_SECONDS = 30.0
"""How long a simulation may take to start, on a machine that has much else to do."""
STOP_SECONDS = 5.0
"""How long a simulation is given to end before it is killed."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_LOCK, _ABOUT, _KUBECONFIG, _LOG = "lock", "instance.json", "kubeconfig", "log"


class Daemon(Struct, frozen=True):
    """The program that runs a cluster in a process of its own.

    Attributes:
        module: What is run with `python -m`.
        patience: Seconds that it may take to start.
    """

    module: str
    patience: float


SIMULATOR = Daemon("oc_gpu.sim.daemon", START_SECONDS)


class SimulationError(OcGpuError):
    """A simulation that did not start."""


class SimulationUsageError(SimulationError):
    """What was asked for cannot be: a name, a scenario, a program that is not there."""

    exit_code = 2


class Instance(Struct, frozen=True):
    """A simulation that runs.

    Attributes:
        name: Its name.
        scenario: Name or path of its scenario.
        kubeconfig: Path of the kubeconfig that leads to it.
        pid: Its process.
        url: URL of its API server.
    """

    name: str
    scenario: str
    kubeconfig: str
    pid: int
    url: str


class Report(Struct, frozen=True):
    """What a starting simulation tells whoever started it: itself, or what went wrong."""

    instance: Instance | None = None
    error: str = ""
    hints: tuple[str, ...] = ()
    exit_code: int = SimulationError.exit_code


def home() -> Path:
    """Return the folder of all simulations of this user."""
    given = os.environ.get(HOME_VARIABLE)
    if given:
        return Path(given)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "oc-gpu" / "sim"


def folder_of(name: str) -> Path:
    """Return the folder of one simulation.

    Raises:
        SimulationUsageError: The name cannot be that of a folder.
    """
    if not _NAME.fullmatch(name):
        msg = f"{name!r} cannot name a simulation"
        raise SimulationUsageError(msg, hints=("use letters, digits, dots and dashes",))
    return home() / name


def up(
    name: str,
    scenario: str,
    *,
    speed: float | None = None,
    run_pods: bool = False,
    daemon: Daemon = SIMULATOR,
) -> Instance:
    """Start a simulation that goes on after this program.

    Args:
        name: Its name.
        scenario: A built-in name or the path of a file.
        speed: Simulated seconds per second of wall time; leaps over waiting by default.
        run_pods: Run pods that ask for it as processes of this machine.
        daemon: The program that runs it.

    Raises:
        SimulationError: It did not start; as SimulationUsageError: it runs already, or the
            scenario is not usable.
    """
    return _start(daemon, name, scenario, speed=speed, run_pods=run_pods)


@contextmanager
def temporary(
    scenario: str,
    *,
    name: str | None = None,
    run_pods: bool = False,
    daemon: Daemon = SIMULATOR,
) -> Iterator[Instance]:
    """Start a simulation for the block; it ends even if this process is killed.

    Raises:
        SimulationError: As for `up`.
    """
    name = name or f"exec-{os.getpid()}"
    lifeline, held = os.pipe()
    try:
        instance = _start(daemon, name, scenario, lifeline=lifeline, run_pods=run_pods)
        try:
            yield instance
        finally:
            down(name)
    finally:
        os.close(lifeline)
        os.close(held)


def execute(scenario: str, command: Sequence[str], *, run_pods: bool = False) -> int:
    """Run a command against a fresh simulation and return its exit code.

    Args:
        scenario: A built-in name or the path of a file.
        command: Program and arguments; KUBECONFIG leads to the simulation.
        run_pods: Run pods that ask for it as processes of this machine.

    Raises:
        SimulationError: It did not start; as SimulationUsageError: there is no such program.
    """
    with temporary(scenario, run_pods=run_pods) as instance:
        environment = {**os.environ, "KUBECONFIG": instance.kubeconfig}
        try:
            return subprocess.run(list(command), env=environment, check=False).returncode
        except FileNotFoundError:
            msg = f"no program {command[0]!r}"
            raise SimulationUsageError(msg) from None


def down(name: str) -> bool:
    """End a simulation and remove its folder; tell whether there was anything.

    Only a process that holds the folder's lock is ended.
    """
    folder = folder_of(name)
    if not folder.is_dir():
        return False
    instance = find(name)
    if instance is not None:
        _end(instance.pid, folder / _LOCK)
    shutil.rmtree(folder, ignore_errors=True)
    return True


def find(name: str) -> Instance | None:
    """Return a simulation that runs, None when there is none of this name."""
    folder = folder_of(name)
    if not _is_locked(folder / _LOCK):
        return None
    try:
        return msgspec.json.decode((folder / _ABOUT).read_bytes(), type=Instance)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def running() -> tuple[Instance, ...]:
    """Return the simulations that run, by name."""
    names = sorted(f.name for f in home().iterdir() if f.is_dir()) if home().is_dir() else []
    found = (find(name) for name in names if _NAME.fullmatch(name))
    return tuple(instance for instance in found if instance is not None)


def kubeconfig(name: str) -> Path:
    """Return the path of the kubeconfig of a simulation that runs.

    Raises:
        SimulationUsageError: It does not run.
    """
    instance = find(name)
    if instance is None:
        known = ", ".join(i.name for i in running()) or "none"
        msg = f"no simulation named {name} runs"
        raise SimulationUsageError(msg, hints=(f"running: {known}",))
    return Path(instance.kubeconfig)


# --- the side of the process ------------------------------------------------------------------


def claim(folder: Path) -> IO[str]:
    """Take the lock of a simulation's folder for this process, until the file is closed.

    Raises:
        SimulationError: Another process has it.
    """
    import fcntl  # noqa: PLC0415  # not on every system, and only needed here

    lock = (folder / _LOCK).open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        msg = f"simulation {folder.name} runs already"
        raise SimulationError(msg) from None
    return lock


def describe(folder: Path, instance: Instance) -> None:
    """Write down a simulation that is ready."""
    partial = folder / f".{_ABOUT}"
    partial.write_bytes(msgspec.json.encode(instance))
    partial.replace(folder / _ABOUT)


# --- inside ------------------------------------------------------------------------------------


def _start(
    daemon: Daemon,
    name: str,
    scenario: str,
    *,
    speed: float | None = None,
    lifeline: int | None = None,
    run_pods: bool = False,
) -> Instance:
    folder = _fresh_folder(name)
    place = scenario if not Path(scenario).is_file() else str(Path(scenario).resolve())
    told, tell = os.pipe()
    command = [sys.executable, "-m", daemon.module, str(folder), place, str(tell)]
    command += [f"--speed={speed}"] if speed is not None else []
    command += [f"--lifeline={lifeline}"] if lifeline is not None else []
    command += ["--run-pods"] if run_pods else []
    descriptors = (tell,) if lifeline is None else (tell, lifeline)
    with (folder / _LOG).open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=descriptors,
            start_new_session=True,
        )
    os.close(tell)
    try:
        report = _read_report(told, daemon.patience)
    finally:
        os.close(told)
    if report is not None and report.instance is not None:
        process.returncode = 0  # it goes on by itself; nobody here waits for it
        return report.instance
    process.kill()
    process.wait()
    keep = report is None and lifeline is None
    error = _not_started(name, report, folder / _LOG, kept=keep)
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    raise error


def _not_started(name: str, report: Report | None, log: Path, *, kept: bool) -> SimulationError:
    """Return why a simulation did not start: in its own words, or by the end of its log."""
    if report is not None:
        usage = report.exit_code == SimulationUsageError.exit_code
        kind = SimulationUsageError if usage else SimulationError
        return kind(report.error, hints=report.hints)
    last = log.read_text("utf-8", "replace").strip().rpartition("\n")[2]
    msg = f"simulation {name} did not start" + (f": {clean(last)}" if last else "")
    return SimulationError(msg, hints=(f"see {log}",) if kept else ())


def _fresh_folder(name: str) -> Path:
    """Return a new folder in place of what a simulation of this name left.

    Raises:
        SimulationUsageError: One of this name runs, or there is no room for the folder.
    """
    folder = folder_of(name)
    if _is_locked(folder / _LOCK):
        msg = f"simulation {name} runs already"
        raise SimulationUsageError(msg, hints=(f"oc-gpu sim down {name}",))
    shutil.rmtree(folder, ignore_errors=True)
    try:
        home().mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(mode=0o700)
    except OSError as error:
        msg = f"cannot keep a simulation in {home()}: {error.strerror}"
        hint = f"name another folder in {HOME_VARIABLE}"
        raise SimulationUsageError(msg, hints=(hint,)) from error
    return folder


def _read_report(descriptor: int, patience: float) -> Report | None:
    """Return what the starting process tells; None when it says nothing in time."""
    text = b""
    while not text.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], patience)
        piece = os.read(descriptor, 65536) if ready else b""
        if not piece:
            return None
        text += piece
    return msgspec.json.decode(text, type=Report)


def _is_locked(path: Path) -> bool:
    import fcntl  # noqa: PLC0415  # not on every system, and only needed here

    try:
        with path.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # no such folder, or one in which nobody of this user can hold a lock
    return False


def _end(pid: int, lock: Path) -> None:
    """Ask a process to end, wait until it lets go of its lock, and kill it if it does not."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        if not _released(lock):
            os.kill(pid, signal.SIGKILL)
            _released(lock)


def _released(path: Path) -> bool:
    """Wait for a lock to be free; False when it is not in time."""
    import fcntl  # noqa: PLC0415  # not on every system, and only needed here

    def wait() -> None:
        with suppress(FileNotFoundError), path.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)

    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    waiter.join(STOP_SECONDS)
    return not waiter.is_alive()


def to_document(instance: Instance) -> dict[str, Any]:
    """Return a simulation as a plain document, as `sim list -o json` prints it."""
    document: dict[str, Any] = msgspec.to_builtins(instance)
    return document
