"""The simulator's node actor behind the kubelets' API."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from lab.kubelet.actor import NodeActor
from lab.kubelet.backend import JournalQuery, RefusedError
from lab.kubelet.spdy.frames import Data, SynReply
from lab.relay import Opener

from oc_gpu.kube.resources import NAMESPACES, PODS
from oc_gpu.sim.actors.framework import ActorContext
from oc_gpu.sim.actors.kubelet import Kubelets
from oc_gpu.sim.scenario import load
from tests.lab_kubelet.peers import SpdyPeer, ask, serving
from tests.sim_openshift.world import Objects, World, named, world

SCENARIO = "ocp-4.20"
GPU_NODE = next(n.name for n in load(SCENARIO).nodes if any(p.vendor == "10de" for p in n.pci))
IMAGE = "nvcr.io/nvidia/cuda:12.8.0-base-ubi9"


class Played:
    """A cluster with one pod on a machine with a card."""

    def __init__(self, here: World, kubelets: Kubelets, opened: Opener) -> None:
        self.here = here
        self.kubelets = kubelets
        self.actor = NodeActor(kubelets)
        self.opened = opened

    async def get(self, target: str) -> tuple[int, str]:
        return await ask(self.opened, target)


@asynccontextmanager
async def played(*command: str) -> AsyncIterator[Played]:
    made: list[Kubelets] = []

    def make(context: ActorContext) -> Kubelets:
        made.append(Kubelets(context))
        return made[0]

    async with world(SCENARIO, make) as here:
        await here.client.create(NAMESPACES, named(NAMESPACES, "demo"))
        container = {"name": "main", "image": IMAGE, "command": list(command)}
        spec = {"nodeName": GPU_NODE, "restartPolicy": "Never", "containers": [container]}
        await here.client.create(PODS, named(PODS, "job", "demo", spec=spec))
        async with serving(NodeActor(made[0]), GPU_NODE) as opened:
            yield Played(here, made[0], opened)


def phase_is(phase: str) -> Callable[[Objects], bool]:
    """Return whether the pod is in a phase, as a question."""
    return lambda found: (found["demo", "job"].get("status") or {}).get("phase") == phase


def test_a_played_log_is_served_with_its_times() -> None:
    async def go() -> None:
        async with played("sh", "-c", "echo one; echo two; sleep infinity") as it:
            await it.here.until(PODS, phase_is("Running"), "demo")
            target = "/containerLogs/demo/job/main"
            assert await it.get(target) == (200, "one\ntwo\n")
            _, text = await it.get(f"{target}?timestamps=true&tailLines=1")
            stamp, line = text.split()
            assert line == "two"
            assert await it.get(f"{target}?sinceTime={stamp}") == (200, "one\ntwo\n")
            assert await it.get(f"{target}?sinceTime=2031-01-01T00:00:00Z") == (200, "")
            told = 'previous terminated container "main" in pod "job" not found'
            assert await it.get(f"{target}?previous=true") == (400, told)

    asyncio.run(go())


def test_a_log_that_is_followed_ends_with_its_container() -> None:
    async def go() -> None:
        async with played("sh", "-c", "echo begin; sleep 100; echo end") as it:
            await it.here.until(PODS, phase_is("Running"), "demo")
            target = "/containerLogs/demo/job/main?follow=true"
            assert await it.get(target) == (200, "begin\nend\n")

    asyncio.run(go())


def test_a_played_command_is_run() -> None:
    async def go() -> None:
        async with played("sh", "-c", "sleep infinity") as it:
            await it.here.until(PODS, phase_is("Running"), "demo")
            target = "/exec/demo/job/main?command=echo&command=hello&output=1&error=1"
            async with SpdyPeer(it.opened, target) as peer:
                await peer.open("error", "stdout", "stderr")
                assert await peer.frames(3) == [SynReply(n, {}) for n in (1, 3, 5)]
                out, told = await peer.frames(2)
            assert out == Data(3, b"hello\n")
            assert isinstance(told, Data)
            assert json.loads(told.data) == {"metadata": {}, "status": "Success"}

    asyncio.run(go())


def test_a_terminals_input_is_not_waited_for() -> None:
    async def go() -> None:
        async with played("sh", "-c", "sleep infinity") as it:
            await it.here.until(PODS, phase_is("Running"), "demo")
            target = "/exec/demo/job/main?command=no-such&input=1&output=1&tty=1"
            async with SpdyPeer(it.opened, target) as peer:
                await peer.open("error", "stdin", "stdout", "resize")
                await peer.frames(4)
                out, told = await peer.frames(2)
            assert isinstance(out, Data)
            assert b"what this one runs is not: no-such" in out.data
            assert isinstance(told, Data)
            causes = json.loads(told.data)["details"]["causes"]
            assert causes == [{"reason": "ExitCode", "message": "127"}]

    asyncio.run(go())


def test_no_command_runs_in_a_container_that_has_ended() -> None:
    async def go() -> None:
        async with played("sh", "-c", "echo done") as it:
            await it.here.until(PODS, phase_is("Succeeded"), "demo")
            assert await it.get("/containerLogs/demo/job/main") == (200, "done\n")
            status, text = await it.get("/exec/demo/job/main?command=echo&output=1")
            assert (status, text) == (500, 'container not found ("main")')

    asyncio.run(go())


def test_the_kernels_messages_are_in_the_journal() -> None:
    async def go() -> None:
        async with played("sleep", "1") as it:

            async def lines_of(query: str) -> list[str]:
                head, *lines = (await it.get(f"/logs/journal?{query}"))[1].splitlines()
                assert head.startswith("-- Logs begin at")
                return lines

            all_of_it = await lines_of("")
            cards = [line for line in all_of_it if "[10de:" in line]
            assert cards
            assert await lines_of("boot=0&grep=%5C%5B10DE:") == cards
            assert await lines_of("tail=1") == all_of_it[-1:]
            for query in ("grep=10DE:&case-sensitive=true", "boot=-1", "unit=kubelet"):
                assert await lines_of(query) == ["-- No entries --"]
            told = "the journal of the lab's machines cannot be asked for since"
            assert await it.get("/logs/journal?since=-1h&output=short-precise") == (400, told)

    asyncio.run(go())


def test_a_machine_has_its_own_pods_and_answers_while_it_is_up() -> None:
    async def go() -> None:
        async with played("sh", "-c", "sleep infinity") as it:
            await it.here.until(PODS, phase_is("Running"), "demo")
            others = [name for name in it.kubelets.machines if name != GPU_NODE]
            mine = [pod["metadata"]["name"] for pod in it.actor.pods(GPU_NODE)]
            assert (mine, it.actor.pods(others[0])) == (["job"], [])
            assert it.actor.pod(others[0], "demo", "job") is None
            assert it.actor.answers(GPU_NODE)
            it.kubelets.machines[GPU_NODE].shut_down()
            assert not it.actor.answers(GPU_NODE)
            assert not it.actor.answers("nobody")
            with pytest.raises(RefusedError, match="does not answer"):
                await it.actor.journal(GPU_NODE, JournalQuery())

    asyncio.run(go())
