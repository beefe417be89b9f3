"""Completion for shells and for the front programs oc and kubectl."""

from pathlib import Path

import pytest

from oc_gpu.cli import complete
from oc_gpu.cli.program import COMMANDS
from tests.cli.conftest import Cli

KUBECONFIG = """
apiVersion: v1
kind: Config
contexts:
  - {name: alpha, context: {cluster: c, user: u}}
  - {name: beta, context: {cluster: c, user: u}}
clusters: [{name: c, cluster: {server: "https://localhost:1"}}]
users: [{name: u, user: {}}]
"""


def _ask(*words: str) -> list[str]:
    return list(complete.answer(words))


def test_commands_come_with_what_they_do_and_keep_files_out() -> None:
    assert _ask("sta") == ["status\tWhere the road stands: stages, GPU nodes, operands.", ":4"]


def test_nothing_typed_yet_offers_every_command() -> None:
    assert len(_ask("")) == len(_ask()) == len(COMMANDS) + 1


def test_options_and_their_values_are_offered() -> None:
    assert "--config\tGpuPlatform document; everything has a default." in _ask("check", "--c")
    assert _ask("check", "-o", "j") == ["json", ":4"]


def test_file_options_leave_the_files_to_the_shell() -> None:
    assert _ask("check", "--entitlement", "") == [":0"]


def test_contexts_come_from_the_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG)
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert _ask("status", "--context", "") == ["alpha", "beta", ":4"]
    assert _ask("status", "--context", "b") == ["beta", ":4"]


def test_broken_kubeconfig_offers_nothing_and_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config"
    path.write_text("{")
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert _ask("status", "--context", "") == [":4"]


def test_help_has_a_line_for_each_shell(cli: Cli) -> None:
    shown = cli("completion", "--help").out
    assert "\\b" not in shown
    assert "\b" not in shown
    lines = [line.strip() for line in shown.splitlines()]
    assert "zsh:   source <(oc-gpu completion zsh)" in lines


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_of_each_shell_calls_the_program(shell: str, cli: Cli) -> None:
    ended = cli("completion", shell)
    assert ended.code == 0
    assert f"_OC_GPU_COMPLETE={shell}_complete" in ended.out
