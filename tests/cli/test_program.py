"""The program as a whole: help, mistakes of the command line, exit codes, what it imports."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from inline_snapshot import snapshot

from oc_gpu.cli import entry
from oc_gpu.cli.options import Command, Duration, cluster_options, pass_settings
from oc_gpu.cli.program import COMMANDS, PROGRAM
from oc_gpu.cli.settings import Settings
from oc_gpu.kube.errors import OcGpuError, TimeoutExceededError
from tests.cli.conftest import Cli

PROGRAM_FILE = Path(sys.executable).with_name("oc-gpu")
HEAVY = (
    "asyncio",
    "cryptography",
    "h11",
    "msgspec",
    "oc_gpu.facts",
    "oc_gpu.sim",
    "rich",
    "ssl",
    "uvicorn",
    "wsproto",
    "yaml",
)


def test_help_is_a_calm_page(cli: Cli) -> None:
    ended = cli("--help")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == snapshot("""\
Usage: oc-gpu [OPTIONS] COMMAND [ARGS]...

  NVIDIA GPUs on Red Hat OpenShift: set up, prove, take back.

Options:
  --version   Show the version and exit.
  -h, --help  Show this message and exit.

Look (nothing is changed):
  check    Can this cluster get GPUs, and what would stop it?
  plan     What enable would create, change and reboot, and how long it takes.
  doctor   The root cause of trouble, and the fix; live or from a bundle.
  gather   A redacted bundle of the cluster, for support and doctor.
  explain  What a code such as OCG0520 means, and what to do.
  status   Where the road stands: stages, GPU nodes, operands.

Change the cluster:
  enable   Walk the road to working GPUs; continue where it stands.
  verify   Prove that pods compute on every GPU (short-lived pods).
  isolate  Keep other pods off the GPU nodes by a taint, or take it back.
  disable  Remove exactly what enable made.

Use the GPUs:
  run    Run a script or an image on a GPU: files in and out, log, exit code.
  bench  How much faster the GPU is than the CPU, and from where on.

Prepare and try out:
  entitlement  Look at a subscription certificate and try it out.
  config       Write and check the GpuPlatform document.
  render       Write the objects of the road as plain YAML files.
  rbac         Print a ClusterRole with every right that oc-gpu needs.
  sim          A simulated OpenShift on this machine.
  demo         Watch a simulated cluster get GPUs.
  completion   Print the completion script of a shell.

  Begin with `check`. Without a cluster at hand: `oc-gpu demo`.
""")


def test_help_imports_nothing_that_is_slow() -> None:
    code = (
        "import sys; from oc_gpu.cli.entry import run; run(['--help'])\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("entry_", COMMANDS, ids=lambda e: e.name)
def test_every_command_of_the_table_exists_and_says_the_same_of_itself(entry_: object) -> None:
    name, told = entry_.name, entry_.help  # type: ignore[attr-defined]
    command = PROGRAM.get_command(click.Context(PROGRAM), name)
    assert command is not None
    assert command.name == name
    assert command.get_short_help_str(limit=200) == told


@pytest.mark.parametrize("entry_", COMMANDS, ids=lambda e: e.name)
def test_every_help_fits_into_80_columns(entry_: object, cli: Cli) -> None:
    ended = cli(entry_.name, "--help")  # type: ignore[attr-defined]
    assert ended.code == 0
    assert max(len(line) for line in ended.out.splitlines()) <= 80


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["chek"], "error: no such command 'chek'\nhint: did you mean `check`?\n"),
        (["status", "--contxt", "x"], "hint: did you mean `--context`?\n"),
        (["status", "-o", "xml"], "'xml' is not one of 'text', 'json', 'yaml'\n"),
        (["status", "--timeout", "soon"], "'soon' is not a duration such as 90s, 15m or 1h30m\n"),
        (["entitlement", "inspect"], "error: missing argument 'FILE'\n"),
        (["completion"], "error: missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish"),
    ],
)
def test_mistake_is_one_sentence_with_a_hint_and_exit_code_2(
    arguments: list[str], told: str, cli: Cli
) -> None:
    ended = cli(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert told in ended.err
    assert ended.err.count("error: ") == 1
    assert "--help` shows what there is" in ended.err


def test_no_command_shows_the_help(cli: Cli) -> None:
    ended = cli()
    assert ended.code == 2
    assert "Usage: oc-gpu" in ended.out


def test_version_is_told(cli: Cli) -> None:
    assert cli("--version").out == "oc-gpu 0.1.0\n"


def _raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command("x")
    def command() -> None:
        raise error

    monkeypatch.setattr(type(PROGRAM), "get_command", lambda *_: command)


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (OcGpuError("no", hints=("try",)), 1, "error: no\nhint: try\n"),
        (TimeoutExceededError("late"), 4, "error: late\n"),
        (
            ExceptionGroup("two", [ExceptionGroup("in", [OcGpuError("first")]), OcGpuError("b")]),
            1,
            "error: first\n",
        ),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
    ],
)
def test_errors_end_in_their_exit_code_without_a_traceback(
    error: BaseException, code: int, told: str, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    _raising(error, monkeypatch)
    ended = cli("x")
    assert ended.code == code
    assert ended.err.lstrip().startswith(told)


def test_mistakes_of_our_own_are_not_hidden(monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    _raising(ExceptionGroup("bug", [ValueError("a bug")]), monkeypatch)
    with pytest.raises(ExceptionGroup):
        cli("x")


def test_shared_options_before_the_command_count_unless_given_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[object] = []

    @click.command("x", cls=Command)
    @cluster_options
    @pass_settings
    def command(settings: Settings) -> None:
        seen.append((settings.context, settings.output))

    monkeypatch.setattr(type(PROGRAM), "get_command", lambda *_: command)
    entry.run(["--context", "a", "-o", "json", "x"])
    entry.run(["--context", "a", "x", "--context", "b"])
    assert seen == [("a", "json"), ("b", "text")]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("1h30m", 5400), ("0.5s", 0.5)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


def _program(*arguments: str, to: str) -> subprocess.CompletedProcess[str]:
    command = f"{PROGRAM_FILE} {' '.join(arguments)} {to}"
    shell = ["sh", "-c", command]
    return subprocess.run(shell, capture_output=True, text=True, check=False)


def test_result_that_cannot_be_written_is_one_sentence() -> None:
    ended = _program("completion", "bash", to="> /dev/full")
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: the result could not be written: No space left")


def test_reader_that_goes_away_is_no_reason_to_complain() -> None:
    assert _program("completion", "bash", to="| head -c 1").stderr == ""


def test_program_knows_what_it_is_called_as_a_plugin() -> None:
    plugin = PROGRAM_FILE.with_name("kubectl-gpu")
    ended = subprocess.run([plugin, "--help"], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("Usage: kubectl gpu ")


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("OCG9999", "docs/checks.md and docs/causes.md list every code"),
        ("ocg05200", "close to it: OCG0520"),
        ("olm-bundle-unpack-fail", "close to it: olm-bundle-unpack-failed"),
    ],
)
def test_a_code_that_is_not_there_is_told_with_those_that_are_close(
    cli: Cli, code: str, hint: str
) -> None:
    ended = cli("explain", code)
    assert ended.code == 2
    assert f"hint: {hint}" in ended.err
    assert "ocg0" not in ended.err.replace(code, "")
