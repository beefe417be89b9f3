"""Scripts that containers run: what is played is played as a shell does it, the rest is refused."""

import subprocess
from typing import Any

import pytest
from tests.sim_core.views import view

from oc_gpu.sim.actors.node.environment import hostname_of, identity_of
from oc_gpu.sim.hardware import shell
from oc_gpu.sim.hardware.programs import behave
from oc_gpu.sim.hardware.script import Unknown

NODE = "worker03"


@pytest.mark.parametrize(
    "script",
    [
        "for i in 1 2 3; do echo line $i; sleep 0; done",
        "exit 3",
        "false; echo after",
        "false && echo no || echo yes",
        "true || echo no; echo $?",
        "set -e; false; echo no",
        "set -e\nfalse || echo went on\nexit",
        "a='x y'; echo \"$a\" $a '$a' \\$a ${a}z # nothing",
        "for a in x 'y z'; do for b in 1 2\ndo echo $a$b; done; done; echo $a",
        "echo seen; echo lost >/dev/null; cat /none 2>/dev/null; echo $?",
        "echo moved >&2 2>/dev/null",
        "echo gone >/dev/null 2>&1",
        "for i in $none; do echo never; done",
        "for i in 1 2 3; do exit $i; done; echo no",
    ],
)
def test_a_script_prints_what_a_real_shell_prints(script: str) -> None:
    real = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    played, _ = shell.run(view("seed", NODE), ("sh", "-c", script))
    assert (played.out, played.err, played.code) == (
        real.stdout.removesuffix("\n"), real.stderr.removesuffix("\n"), real.returncode
    )  # fmt: skip


@pytest.mark.parametrize(
    "script",
    [
        "echo a | wc -l", "echo $(date)", "echo `date`", "if true; then echo a; fi",
        "echo a > /file",
        "while true; do sleep 1; done", "for i in 1; do echo a", "echo ${a:-b}", "(echo a)",
        "sleep 1 &", "for i; do echo a; done", "done", 'echo "', "f() { echo a; }", "ls /usr",
    ],
)  # fmt: skip
def test_what_is_not_played_is_refused_as_a_whole(script: str) -> None:
    with pytest.raises(Unknown):
        shell.run(view("seed", NODE), ("sh", "-c", f"echo before; {script}"))


def test_a_loop_takes_the_time_of_its_sleeps_and_one_that_sleeps_for_ever_never_ends() -> None:
    loop = ("bash", "-c", "for i in 1 2 3; do echo line $i; sleep 1; done")
    found = behave(view("seed", NODE, command=loop, restart_policy="Never"))
    assert (found.log, found.seconds, found.exit_code) == (("line 1", "line 2", "line 3"), 3.0, 0)
    held = behave(view("seed", NODE, command=("sh", "-ec", "echo up; sleep infinity; echo no")))
    assert (held.log, held.exit_code) == (("up",), None)


def test_a_script_that_is_not_played_fails_and_says_so() -> None:
    piped = ("sh", "-c", "make | tee log")
    found = behave(view("seed", NODE, command=piped, restart_policy="Never"))
    assert found.exit_code == 127
    assert found.log == (
        "oc-gpu sim: containers are played, and what this one runs is not: | tee log",
    )


def test_what_a_container_says_of_itself_follows_from_its_pod() -> None:
    seen = view("seed", NODE, hostname="p", user=1000680000, groups=(1000680000,), env={"A": "b"})
    said = {
        name: shell.run(seen, name.split())[0].out
        for name in ("hostname", "id", "id -u", "pwd", "whoami", "uname", "uname -n")
    }
    assert said == {
        "hostname": "p",
        "id": "uid=1000680000(1000680000) gid=0(root) groups=0(root),1000680000",
        "id -u": "1000680000",
        "pwd": "/",
        "whoami": "1000680000",
        "uname": "Linux",
        "uname -n": "p",
    }
    assert shell.run(view("seed", NODE), ["id"])[0].out == "uid=0(root) gid=0(root) groups=0(root)"
    env = shell.run(seen, ["env"])[0].out.splitlines()
    assert {"A=b", "HOSTNAME=p", "KUBERNETES_SERVICE_HOST=172.30.0.1", "HOME=/"} <= set(env)


def test_the_root_folder_has_what_every_image_has_and_what_is_mounted() -> None:
    seen = view("seed", NODE, files={"/data/sub/a": b"", "/data/b": b""})
    assert {"data", "etc", "usr"} <= set(shell.run(seen, ["ls", "/"])[0].out.splitlines())
    assert shell.run(seen, ["ls"]) == shell.run(seen, ["ls", "/"])
    assert shell.run(seen, ["ls", "/data/"])[0].out == "b\nsub"
    assert shell.run(seen, ["ls", "/none"])[0].code == 2


def test_host_name_and_user_are_those_of_the_pods_spec() -> None:
    pod: dict[str, Any] = {"metadata": {"name": "p"}, "spec": {"nodeName": "n"}}
    assert hostname_of(pod) == "p"
    assert hostname_of({**pod, "spec": {"nodeName": "n", "hostNetwork": True}}) == "n"
    assert identity_of({}, pod) == {"user": 0, "group": 0, "groups": ()}
    pod["spec"] = {"securityContext": {"runAsUser": 5, "runAsGroup": 6, "fsGroup": 7}}
    own = {"securityContext": {"runAsUser": 9}}
    assert identity_of(own, pod) == {"user": 9, "group": 6, "groups": (7,)}
