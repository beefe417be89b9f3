"""The kubelets' API behind a real kube-apiserver, used by kubectl, oc and our own client."""

import asyncio
import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from oc_gpu.kube import ApiError, ExecResult, execution
from tests.lab_kubelet.conftest import NODE, Done, Lab
from tests.lab_kubelet.machines import python

pytestmark = pytest.mark.lab

ECHO = python("import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)")
BOTH = python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)")
SHOUT = python("for line in iter(input, 'end'): print(line.upper(), flush=True)")
Run = Callable[..., Done]


@pytest.fixture(params=["websocket", "spdy", "oc"])
def run(lab: Lab, request: pytest.FixtureRequest) -> Run:
    """Run a command of kubectl over either protocol, or of the real oc, which knows only SPDY."""

    def over(*command: str, given: bytes = b"") -> Done:
        if request.param == "oc":
            return lab.oc(*command, given=given)
        return lab.kubectl(*command, given=given, spdy=request.param == "spdy")

    return over


# --- logs -------------------------------------------------------------------------------------


def test_the_part_of_a_log_that_is_asked_for_is_printed(lab: Lab) -> None:
    lab.pod("speaker")
    lab.do(lab.machines.log["speaker"].write("one", "two", "three", close=True))
    assert lab.kubectl("logs", "speaker") == (0, b"one\ntwo\nthree\n", b"")
    tail = lab.kubectl("logs", "speaker", "--tail=1", "--timestamps")
    assert tail == (0, b"2023-11-14T22:13:20Z three\n", b"")
    assert lab.kubectl("logs", "speaker", "--limit-bytes=5") == (0, b"one\nt", b"")
    assert lab.oc("logs", "speaker", "--since=2h")[1] == b"one\ntwo\nthree\n"
    assert lab.machines.asked[-1].since_seconds == 7200
    lab.kubectl("logs", "speaker", "--since-time=2023-11-14T22:13:20Z")
    assert lab.machines.asked[-1].since_time == 1_700_000_000
    assert lab.do(lab.client.logs("default", "speaker", tail=2)) == "two\nthree\n"


def test_a_log_is_followed_to_its_end(lab: Lab) -> None:
    lab.pod("talker")
    log = lab.machines.log["talker"]
    with lab.start("logs", "-f", "talker") as reading:
        assert reading.stdout is not None
        lab.do(log.until_read_by(1))
        for line in ("first", "second"):
            lab.do(log.write(line))
            assert reading.stdout.readline() == f"{line}\n".encode()
        lab.do(log.write("last", close=True))
        assert reading.communicate()[0] == b"last\n"
    assert reading.returncode == 0


def test_our_client_follows_a_log(lab: Lab) -> None:
    lab.pod("singer")
    log = lab.machines.log["singer"]

    async def listen() -> list[str]:
        await log.write("one")
        heard = []
        async for line in lab.client.follow_logs("default", "singer"):
            heard.append(line)
            await log.write(f"after {line}", close=True)
        return heard

    assert lab.do(listen()) == ["one", "after one"]


def test_a_log_is_let_go_of_when_its_reader_goes_away(lab: Lab) -> None:
    lab.pod("murmurer")
    log = lab.machines.log["murmurer"]
    with lab.start("logs", "-f", "murmurer") as reading:
        lab.do(log.until_read_by(1))
        reading.terminate()
        reading.communicate()
    lab.do(log.until_read_by(0))


def test_a_large_log_arrives_whole(lab: Lab) -> None:
    lab.pod("novelist")
    lines = [f"{number:08d}" * 16 for number in range(80_000)]
    lab.do(lab.machines.log["novelist"].write(*lines, close=True))
    assert lab.kubectl("logs", "novelist")[1].decode().splitlines() == lines


def test_the_kubelet_says_why_there_is_no_log(lab: Lab) -> None:
    lab.pod("newcomer")
    told = 'previous terminated container "main" in pod "newcomer" not found'
    done = lab.kubectl("logs", "-p", "newcomer")
    assert done == (1, b"", f"Error from server (BadRequest): {told}\n".encode())
    with pytest.raises(ApiError, match=told):
        lab.do(lab.client.logs("default", "newcomer", previous=True))


# --- commands ---------------------------------------------------------------------------------


def test_exit_code_output_and_errors_of_a_command_are_kept_apart(run: Run) -> None:
    code, out, err = run("exec", "tools", "--", *BOTH)
    assert (code, out) == (7, b"out\n")
    assert err == b"err\ncommand terminated with exit code 7\n"


def test_ten_megabytes_go_both_ways(run: Run) -> None:
    given = os.urandom(10 << 20)
    code, out, err = run("exec", "-i", "tools", "--", *ECHO, given=given)
    assert (code, err, out == given) == (0, b"", True)


def test_a_command_is_answered_while_its_input_is_open(lab: Lab) -> None:
    with lab.start("exec", "-i", "tools", "--", *SHOUT) as talking:
        assert talking.stdin is not None
        assert talking.stdout is not None
        for word in ("one", "two"):
            talking.stdin.write(f"{word}\n".encode())
            talking.stdin.flush()
            assert talking.stdout.readline() == f"{word.upper()}\n".encode()
        assert talking.communicate(b"end\n")[0] == b""
    assert talking.returncode == 0


def test_a_command_need_not_read_its_input(run: Run) -> None:
    given = bytes(4 << 20)
    code, out, _ = run("exec", "-i", "tools", "--", *python("print('done')"), given=given)
    assert (code, out) == (0, b"done\n")


def test_a_command_ends_when_its_client_is_gone(lab: Lab) -> None:
    forever = python("import time; print('here', flush=True); time.sleep(1000)")
    with lab.start("exec", "tools", "--", *forever) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == b"here\n"
        waiting.terminate()
        waiting.communicate()
    assert lab.do(lab.machines.until_ended(forever[-1])) == -9


def test_a_command_that_is_not_there_is_named(run: Run) -> None:
    code, out, err = run("exec", "tools", "--", "no-such-program")
    assert (code, out) == (1, b"")
    assert b'exec: "no-such-program": executable file not found in $PATH' in err


def test_a_container_that_does_not_run_is_named(lab: Lab, run: Run) -> None:
    if not any(pod["metadata"]["name"] == "half" for pod in lab.machines.bound):
        lab.pod("half", "main", "ended")
    code, _, err = run("exec", "half", "-c", "ended", "--", "true")
    assert code == 1
    assert b'container not found ("ended")' in err


def test_a_terminal_has_one_output(lab: Lab) -> None:
    near, far = pty.openpty()
    config = f"--kubeconfig={lab.plane.kubeconfig()}"
    command = ("kubectl", config, "exec", "-it", "tools", "--", *BOTH)
    with subprocess.Popen(command, stdin=far, stdout=far, stderr=subprocess.PIPE) as talking:
        os.close(far)
        errors = talking.communicate()[1]
    shown = os.read(near, 1000)
    os.close(near)
    assert (b"out" in shown, b"err" in shown, talking.returncode) == (True, True, 7)
    assert errors == b"command terminated with exit code 7\n"


def test_files_are_copied_into_a_container_and_out_of_it(lab: Lab, tmp_path: Path) -> None:
    source, there, back = (tmp_path / name for name in ("source", "there", "back"))
    source.write_bytes(os.urandom(3 << 20))
    into = lab.kubectl("cp", source, f"tools:{there}")
    assert (into[0], there.read_bytes() == source.read_bytes()) == (0, True), into
    out = lab.kubectl("cp", f"tools:{there}", back)
    assert (out[0], back.read_bytes() == source.read_bytes()) == (0, True), out


def test_our_client_runs_commands(lab: Lab) -> None:
    exec_ = lab.client.exec
    assert lab.do(exec_("default", "tools", BOTH)) == ExecResult("out\n", "err\n", 7)
    given = b"12345678" * (1 << 17)
    done = lab.do(exec_("default", "tools", ECHO, stdin=given))
    assert done == ExecResult(given.decode(), "", 0)


def test_clients_that_know_only_version_4_reach_the_kubelet_over_a_websocket(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "V5", execution.V4)
    done = lab.do(lab.client.exec("default", "tools", BOTH))
    assert done == ExecResult("out\n", "err\n", 7)


def test_many_commands_run_beside_each_other(lab: Lab) -> None:
    async def all_of_them() -> list[ExecResult]:
        commands = [python(f"print({number})") for number in range(12)]
        return await asyncio.gather(*(lab.client.exec("default", "tools", c) for c in commands))

    assert [done.stdout for done in lab.do(all_of_them())] == [f"{n}\n" for n in range(12)]


# --- the rest ---------------------------------------------------------------------------------


def test_the_journal_is_asked_for_as_each_client_does(lab: Lab) -> None:
    told = f"-- journal of {NODE} --\n"
    assert lab.do(lab.client.journal(NODE, "10de:")) == told
    code, out, err = lab.oc("adm", "node-logs", NODE, "--boot=0", "--grep=10de:", "-u", "kubelet")
    assert (code, out) == (0, told.encode()), err
    path = f"/api/v1/nodes/{NODE}/proxy/logs/journal?pattern=10de:&boot=-1"
    assert lab.kubectl("get", "--raw", path)[1] == told.encode()
    ours, theirs, raw = (query for _, query in lab.machines.journals)
    assert (ours.pattern, ours.boot) == ("10de:", 0)
    assert (theirs.pattern, theirs.units, theirs.case_sensitive) == ("10de:", ("kubelet",), True)
    assert (raw.pattern, raw.boot) == ("10de:", -1)


def test_oc_inspects_the_logs_of_a_namespace(lab: Lab, tmp_path: Path) -> None:
    lab.pod("inspected")
    lab.do(lab.machines.log["inspected"].write("seen", close=True))
    done = lab.oc("adm", "inspect", "ns/default", f"--dest-dir={tmp_path}")
    logs = {str(path): path.read_text() for path in tmp_path.rglob("current.log")}
    read = [text for path, text in logs.items() if "/inspected/" in path]
    assert read == ["2023-11-14T22:13:20Z seen\n"], (done, logs)


def test_other_paths_of_a_node_answer_as_a_kubelet_does(lab: Lab) -> None:
    proxy = f"/api/v1/nodes/{NODE}/proxy"
    assert lab.kubectl("get", "--raw", f"{proxy}/healthz") == (0, b"ok", b"")
    assert b'"name":"tools"' in lab.kubectl("get", "--raw", f"{proxy}/pods")[1]
    assert b'"nodeName":"worker-a"' in lab.kubectl("get", "--raw", f"{proxy}/stats/summary")[1]
    code, _, err = lab.kubectl("get", "--raw", f"{proxy}/nothing")
    assert (code, b"NotFound" in err) == (1, True)


def test_a_machine_that_is_down_cannot_be_reached(lab: Lab) -> None:
    lab.machines.down.add(NODE)
    try:
        code, _, err = lab.kubectl("exec", "tools", "--", "true")
    finally:
        lab.machines.down.clear()
    assert (code, b"no route to host: worker-a is down" in err) == (1, True), err
