"""Both legs as Jobs: what their logs tell, how they end, and what is made of it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from msgspec import structs

from oc_gpu.bench import catalogue, cluster
from oc_gpu.bench.cluster import Told, Wish
from oc_gpu.bench.model import Run
from oc_gpu.bench.packing import archive
from oc_gpu.kube import Client, OcGpuError, TimeoutExceededError
from oc_gpu.rollout.rights import MissingRightsError
from oc_gpu.snapshot.kinds import Meta, Node, NodeStatus
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.workload import running
from oc_gpu.workload.model import Ended, Line, Notice, Observer, Patience, Request
from oc_gpu.workload.placing import NoGpuError
from tests.bench.samples import network

PLAN = structs.replace(
    catalogue.plan("quick", ["mlp"]), points=(network(1), network(2), network(4)), budget=100.0
)
GPU = "nvidia.com/gpu"
NODE = Node(metadata=Meta(name="gpu-0"), status=NodeStatus(allocatable={GPU: "1"}))
Job = Callable[[Request, Observer], Ended]


def plan_of(request: Request) -> dict[str, Any]:
    return dict(json.loads(request.scripts["plan.json"]))


def device_of(request: Request) -> str:
    return request.command[request.command.index("--device") + 1]


def job(request: Request, observe: Observer, *, dies_at: int = 0, code: int = 137) -> Ended:
    """Run a leg as the workloads do; it dies at a batch, or not at all."""
    device = device_of(request)

    def tell(**record: Any) -> None:
        observe(Line(json.dumps(record)))

    observe(Notice("a sentence"))
    tell(record="machine", device=device, cpu="Example", threads=2, quota=2.0, cores=64)
    observe(Line("a warning of some library"))
    place: dict[str, Any] = {"job": "j", "namespace": request.namespace, "state": "ended"}
    place |= {"pod": f"{device}-pod", "node": request.node or "n", "image": request.image}
    for point in plan_of(request)["points"]:
        tell(record="start", id=point["id"])
        if point["batch"] == dies_at:
            last = ("Killed",)
            return Ended(**place, exit_code=code, reason="OOMKilled", last_lines=last)
        tell(record="point", id=point["id"], status="measured", compute=[1.0], outputs=[1.0])
    return Ended(**place, exit_code=0, limits=request.limits, simulated=True)


class World:
    """A cluster of which each Job is a function."""

    def __init__(self, cuda: Job = job, cpu: Job = job, nodes: tuple[Node, ...] = (NODE,)) -> None:
        self.jobs = {"cuda": cuda, "cpu": cpu}
        self.requests: list[Request] = []
        self.patience: list[Patience] = []
        self.said: list[str] = []
        self.snapshot = Snapshot("x", simulated=True, tables={"nodes": nodes})

    async def look(self, *_: Any) -> Snapshot:
        return self.snapshot

    async def prepare(self, _: Any, request: Request) -> Request:
        self.requests.append(request)
        return request

    async def run(self, _: Any, request: Request, patience: Patience, observe: Observer) -> Ended:
        self.patience.append(patience)
        return self.jobs[device_of(request)](request, observe)

    def bench(self, monkeypatch: pytest.MonkeyPatch, **wish: Any) -> Run:
        for name in ("look", "prepare", "run"):
            monkeypatch.setattr(running, name, getattr(self, name))
        asked = Wish(namespace="me", gpus={GPU: 1}, start=5.0, **wish)
        told = Told(lambda done: self.said.append(done.point.id), self.said.append)
        return asyncio.run(cluster.run(cast("Client", None), PLAN, asked, told))[0]


def refuse(error: Exception) -> Job:
    def refused(_: Request, __: Observer) -> Ended:
        raise error

    return refused


def test_each_leg_is_a_job_with_the_file_of_workloads(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    run = world.bench(monkeypatch, cpu="2", memory="8Gi")
    gpu, cpu = world.requests
    assert (device_of(gpu), device_of(cpu)) == ("cuda", "cpu")
    assert gpu.scripts["workloads.pyz"] == cpu.scripts["workloads.pyz"] == archive()
    assert "workloads.pyz" in " ".join(gpu.command)
    assert gpu.limits.resources["limits"] == {GPU: "1", "cpu": "2", "memory": "8Gi"}
    assert cpu.limits.resources["limits"] == {"cpu": "2", "memory": "8Gi"}
    assert gpu.image == cpu.image != ""
    assert cpu.node == ""
    assert all(result.status == "measured" for result in run.cpu.results.values())
    assert run.cpu.machine is not None
    assert run.cpu.machine.quota == 2.0
    assert run.cpu.place is not None
    assert (run.cpu.place.pod, run.cpu.place.cpu_limit) == ("cpu-pod", "2")
    assert run.cpu.place.locally
    assert "a sentence" in world.said


def test_the_cpus_leg_goes_to_the_node_of_the_gpu_when_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.bench(monkeypatch, beside=True)
    assert world.requests[1].node == "n"
    world = World(cuda=refuse(NoGpuError("none is free")))
    world.bench(monkeypatch, beside=True)
    assert world.requests[1].node == "gpu-0"


def test_the_cpu_gets_the_time_that_the_gpu_did_not_need(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.bench(monkeypatch)
    budgets = [plan_of(request)["budget"] for request in world.requests]
    assert budgets[0] == 50.0
    assert budgets[1] == pytest.approx(100.0, abs=5.0)


def test_a_killed_job_costs_one_point_and_another_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(cpu=lambda request, observe: job(request, observe, dies_at=2))
    run = world.bench(monkeypatch)
    found = {p.batch: run.cpu.results[p.id] for p in PLAN.points}
    assert [found[b].status for b in (1, 2, 4)] == ["measured", "out of memory", "measured"]
    assert found[2].reason == "the process was lost: exit code 137 (OOMKilled): Killed"
    assert [device_of(request) for request in world.requests] == ["cuda", "cpu", "cpu"]
    assert [p["batch"] for p in plan_of(world.requests[2])["points"]] == [4]


def test_a_failed_job_is_no_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(cpu=lambda request, observe: job(request, observe, dies_at=4, code=1))
    run = world.bench(monkeypatch)
    assert run.cpu.results[network(4).id].status == "failed"


@pytest.mark.parametrize(
    "error", [NoGpuError("no node offers any"), TimeoutExceededError("none is free")]
)
def test_a_leg_that_cannot_run_is_not_measured(
    monkeypatch: pytest.MonkeyPatch, error: OcGpuError
) -> None:
    run = World(cuda=refuse(error)).bench(monkeypatch)
    assert run.gpu.reason == str(error)
    assert run.gpu.results == {}
    assert not run.cpu.reason


def test_a_pod_that_is_lost_costs_what_it_did_not_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    def evicted(request: Request, observe: Observer) -> Ended:
        if device_of(request) == "cuda" and len(plan_of(request)["points"]) == 3:
            job(request, observe, dies_at=2)
            raise OcGpuError("it was taken off its node (Evicted)")
        return job(request, observe)

    run = World(cuda=evicted).bench(monkeypatch)
    found = {p.batch: run.gpu.results[p.id] for p in PLAN.points}
    assert [found[b].status for b in (1, 2, 4)] == ["measured", "failed", "measured"]
    assert "Evicted" in found[2].reason


def test_where_neither_leg_can_run_it_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    none, image = NoGpuError("no node offers any"), OcGpuError("the image cannot be pulled")
    world = World(cuda=refuse(none), cpu=refuse(image))
    with pytest.raises(OcGpuError, match="the image cannot be pulled"):
        world.bench(monkeypatch)
    assert "the leg of the GPU is not measured: no node offers any" in world.said


def test_missing_rights_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from oc_gpu.kube.resources import JOBS  # noqa: PLC0415
    from oc_gpu.rollout.rights import Right  # noqa: PLC0415

    world = World(cuda=refuse(MissingRightsError((Right("create", JOBS, "me"),))))
    with pytest.raises(MissingRightsError):
        world.bench(monkeypatch)
    assert len(world.requests) == 1
