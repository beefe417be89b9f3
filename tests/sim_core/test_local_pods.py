"""Pods that run as processes of this machine: what is theirs, and what is not."""

import asyncio
import io
import os
import sys
import tarfile
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from tests.sim_core.harness import Cluster, cluster, container, named, pod

from oc_gpu.kube import RawObject, Updated
from oc_gpu.kube.resources import CONFIGMAPS, JOBS, PODS
from oc_gpu.sim.local_pods import ANNOTATION, LocalPods, NoLocalPods

OUT = {"name": "out", "mountPath": "/out"}
SCRIPTS = {"name": "scripts", "mountPath": "/scripts"}
VOLUMES = [
    {"name": "out", "emptyDir": {}},
    {"name": "scripts", "configMap": {"name": "scripts", "defaultMode": 0o755}},
]


def play(act: Callable[[Cluster], Awaitable[None]], folder: Path) -> None:
    async def main() -> None:
        async with asyncio.timeout(20), cluster("no-gpu", lambda c: LocalPods(folder, c)) as here:
            await act(here)

    asyncio.run(main())


def local(name: str, *command: str, **fields: Any) -> RawObject:
    """Return a pod that asks to run here; `spec` and other fields of its container."""
    spec = {"restartPolicy": "Never", **fields.pop("spec", {})}
    made = pod(name, container(**fields) | ({"command": [*command]} if command else {}), **spec)
    made["metadata"]["annotations"] = {ANNOTATION: "true"}
    return made


async def ended(here: Cluster, name: str) -> RawObject:
    """Wait for a pod's end; return how its container ended."""
    async with aclosing(here.client.watch(PODS, "default")) as events:
        async for _ in events:
            seen = await here.pod(name)
            if seen["status"].get("phase") in {"Succeeded", "Failed"}:
                break
    state: RawObject = seen["status"]["containerStatuses"][0]["state"]["terminated"]
    return state


async def said(here: Cluster, name: str, line: str) -> None:
    """Wait until a pod that runs has printed a line."""
    async with aclosing(here.client.watch(PODS, "default")) as events:
        async for event in events:
            if isinstance(event, Updated) and event.object["status"].get("phase") == "Running":
                break
    async with aclosing(here.client.follow_logs("default", name)) as lines:
        async for found in lines:
            if found == line:
                return


def test_the_program_its_output_and_its_exit_code_are_real(tmp_path: Path) -> None:
    async def act(here: Cluster) -> None:
        program = "import sys; print(sys.executable); print('no', file=sys.stderr); sys.exit(3)"
        await here.create(PODS, local("p", "python3", "-c", program))
        state = await ended(here, "p")
        assert (state["exitCode"], state["reason"]) == (3, "Error")
        assert sorted((await here.logs("p")).splitlines()) == sorted([sys.executable, "no"])

    play(act, tmp_path)


def test_a_job_of_such_a_pod_completes(tmp_path: Path) -> None:
    async def act(here: Cluster) -> None:
        made = local("unused", "python3", "-c", "print(6 * 7)")
        template = {"metadata": {"annotations": {ANNOTATION: "true"}}, "spec": made["spec"]}
        job = named("batch/v1", "Job", "j", spec={"template": template, "backoffLimit": 0})
        await here.create(JOBS, job)
        async with aclosing(here.client.watch(JOBS, "default")) as events:
            async for event in events:
                if isinstance(event, Updated) and event.object["status"].get("succeeded"):
                    break
        [done] = await here.pods(**{"job-name": "j"})
        assert await here.logs(done["metadata"]["name"]) == "42\n"

    play(act, tmp_path)


def test_mounted_paths_are_those_of_the_pods_own_folder(tmp_path: Path) -> None:
    async def act(here: Cluster) -> None:
        script = "import os, sys; open(sys.argv[1], 'w').write(os.environ['WORD'])"
        await here.create(CONFIGMAPS, named("v1", "ConfigMap", "scripts", data={"a.py": script}))
        env = [{"name": "WORD", "value": "/out:/outside"}]
        command = "python3 /scripts/a.py /out/here && cat /out/here && echo && pwd"
        await here.create(
            PODS,
            local(
                "p",
                "sh",
                "-c",
                command,
                env=env,
                workingDir="/out",
                volumeMounts=[OUT, SCRIPTS],
                spec={"volumes": VOLUMES},
            ),
        )
        assert (await ended(here, "p"))["exitCode"] == 0
        root = tmp_path / (await here.pod("p"))["metadata"]["uid"]
        word = f"{root}/out:/outside"
        assert (await here.logs("p")).splitlines() == [word, f"{root}/out"]
        assert (root / "out" / "here").read_text() == word
        assert (root / "scripts" / "a.py").stat().st_mode & 0o777 == 0o755
        await here.client.delete(PODS, "p", "default")
        await here.wait(lambda: here.gone(PODS, "p", "default"))
        await here.clock.sleep(1)  # the kubelet has seen it by then
        assert not root.exists()

    play(act, tmp_path)


def test_nothing_of_this_programs_environment_is_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_OF_THE_USER", "secret")

    async def act(here: Cluster) -> None:
        program = "import os; [print(k, v, sep='=') for k, v in os.environ.items()]"
        limits = {"limits": {"cpu": "1500m"}}
        env = [{"name": "GIVEN", "value": "1"}]
        await here.create(PODS, local("p", "python3", "-c", program, env=env, resources=limits))
        await ended(here, "p")
        told = dict(line.split("=", 1) for line in (await here.logs("p")).splitlines())
        root = str(tmp_path / (await here.pod("p"))["metadata"]["uid"])
        told.pop("LC_CTYPE", None)  # Python sets it for itself
        path = told.pop("PATH").split(os.pathsep)
        assert path[0] == str(Path(sys.executable).parent)
        assert told == {
            "GIVEN": "1",
            "HOME": root,
            "TMPDIR": f"{root}/tmp",  # noqa: S108
            "OC_GPU_POD_ROOT": root,
            "OC_GPU_CPU_LIMIT": "1.5",
            "CUDA_VISIBLE_DEVICES": "",
        }

    play(act, tmp_path)


def test_all_that_a_program_started_ends_with_its_pod(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    async def act(here: Cluster) -> None:
        command = f"sleep 600 9>{fifo} & trap '' TERM; exec 9>{fifo}; echo up; sleep 600"
        await here.create(PODS, local("p", "sh", "-c", command))
        reading = asyncio.create_task(asyncio.to_thread(fifo.read_text))
        await said(here, "p", "up")
        await here.client.delete(PODS, "p", "default")
        assert await reading == ""  # nobody holds it open any more

    play(act, tmp_path / "pods")


def test_what_a_program_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    async def act(here: Cluster) -> None:
        await here.create(PODS, local("p", "sh", "-c", "sleep 600 & echo done"))
        assert (await ended(here, "p"))["exitCode"] == 0
        assert await here.logs("p") == "done\n"

    play(act, tmp_path)


def test_files_are_copied_in_and_out_with_tar_as_kubectl_does(tmp_path: Path) -> None:
    async def act(here: Cluster) -> None:
        made = local(
            "p", "sh", "-c", "echo up; sleep 600", volumeMounts=[OUT], spec={"volumes": VOLUMES[:1]}
        )
        await here.create(PODS, made)
        await said(here, "p", "up")
        running = await here.pod("p")

        async def run(*command: str, stdin: bytes = b"") -> tuple[bytes, int]:
            out, err, code = await here.kubelets.exec(running, "main", command, stdin)
            return out or err, code

        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            info = tarfile.TarInfo("data.bin")
            info.size = 300_000
            archive.addfile(info, io.BytesIO(bytes(300_000)))
        assert (await run("test", "-d", "/out"))[1] == 0
        assert (await run("tar", "-xmf", "-", "-C", "/out", stdin=packed.getvalue()))[1] == 0
        assert (await run("wc", "-c", "/out/data.bin"))[0].startswith(b"300000 ")
        back, code = await run("tar", "cf", "-", "/out/data.bin")
        assert code == 0
        with tarfile.open(fileobj=io.BytesIO(back)) as archive:
            assert archive.getnames() == ["out/data.bin"]
        assert (await run("cat", "/etc/passwd"))[1] == 1
        assert (await run("cat", "/../../../../etc/passwd"))[1] == 1
        assert (await run("no-such-program")) == (
            b"cannot run 'no-such-program' on this machine: no such file or directory",
            127,
        )
        await here.client.delete(PODS, "p", "default", grace_seconds=0)

    play(act, tmp_path)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (local("p"), "container main names no command"),
        (local("p", "no-such-program"), "cannot run 'no-such-program' on this machine"),
        (
            local(
                "p", "ls", volumeMounts=[OUT], spec={"volumes": [{"name": "out", "hostPath": {}}]}
            ),
            "volume out (hostPath) cannot be had",
        ),
    ],
)
def test_what_no_process_can_be_does_not_start_and_says_why(
    made: RawObject, why: str, tmp_path: Path
) -> None:
    async def act(here: Cluster) -> None:
        await here.create(PODS, made)
        assert (await ended(here, "p"))["exitCode"] == 128
        assert why in await here.logs("p")

    play(act, tmp_path)


def test_without_leave_an_annotated_pod_fails_and_another_is_played() -> None:
    async def main() -> None:
        async with cluster("no-gpu", lambda _: NoLocalPods()) as here:
            await here.create(PODS, local("p", "python3", "-c", "print('ran')"))
            assert (await ended(here, "p"))["exitCode"] == 128
            assert "not started with --run-pods" in await here.logs("p")
            await here.create(PODS, pod("played", container("echo hello"), restartPolicy="Never"))
            await here.wait(lambda: here.ended("played"))
            assert await here.logs("played") == "hello\n"

    asyncio.run(main())


def test_a_pod_that_does_not_ask_is_played_although_others_may_run(tmp_path: Path) -> None:
    async def act(here: Cluster) -> None:
        await here.create(PODS, pod("played", container("uname -r"), restartPolicy="Never"))
        await here.wait(lambda: here.ended("played"))
        node = await here.node((await here.pod("played"))["spec"]["nodeName"])
        kernel = node["status"]["nodeInfo"]["kernelVersion"]
        assert await here.logs("played") == f"{kernel}\n"

    play(act, tmp_path)


def test_probes_ask_the_program_itself(tmp_path: Path) -> None:
    async def act(here: Cluster) -> None:
        probe = {"exec": {"command": ["test", "-f", "/out/ready"]}, "periodSeconds": 1}
        made = local(
            "p",
            "sh",
            "-c",
            "touch /out/ready; echo up; sleep 600",
            volumeMounts=[OUT],
            readinessProbe=probe,
            spec={"volumes": VOLUMES[:1]},
        )
        await here.create(PODS, made)
        async with aclosing(here.client.watch(PODS, "default")) as events:
            async for event in events:
                statuses = (
                    event.object["status"].get("containerStatuses")
                    if isinstance(event, Updated)
                    else None
                )
                if statuses and statuses[0]["ready"]:
                    break
        await here.client.delete(PODS, "p", "default", grace_seconds=0)

    play(act, tmp_path)
