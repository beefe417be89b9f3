"""Jobs of `run` on the real API server: admitted as restricted, removed with all they own."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from lab.control_plane import ControlPlane, control_plane
from lab.processes import Processes
from msgspec import structs

from oc_gpu.kube import Client, RawObject, Replaced, Resource, Updated
from oc_gpu.kube.resources import CONFIGMAPS, EVENTS, JOBS, NAMESPACES, PODS
from oc_gpu.manifests.jobs import Site
from oc_gpu.rollout import jobs
from tests.manifests.test_jobs import EVERYTHING, SITE, TASK

pytestmark = pytest.mark.lab
STRICT = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "me", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
}
UNQUEUED = structs.replace(EVERYTHING, queue="")


async def _until(client: Client, resource: Resource, *, count: int) -> list[RawObject]:
    """Wait until there are so many objects of a kind that belong to a run, and return them."""
    found: dict[str, RawObject] = {}
    watching = client.watch(resource, "me", label_selector="oc-gpu.io/stage=run")
    async with aclosing(watching) as events:
        async for event in events:
            if isinstance(event, Replaced):
                found = {item["metadata"]["name"]: item for item in event.items}
            elif isinstance(event, Updated):
                found[event.object["metadata"]["name"]] = event.object
            else:
                found.pop(event.object["metadata"]["name"], None)
            if len(found) == count:
                return list(found.values())
    raise AssertionError


async def _act(plane: ControlPlane) -> None:
    async with plane.client() as client:
        await client.create(NAMESPACES, STRICT)
        strict = structs.replace(SITE, strict=True)
        made = await jobs.make(client, UNQUEUED, strict)
        (pod,) = await _until(client, PODS, count=1)
        assert [c["name"] for c in pod["spec"]["containers"]] == ["files-out", "main"]
        assert len(await _until(client, CONFIGMAPS, count=2)) == 2
        await jobs.remove(client, made)
        for kind in (JOBS, PODS, CONFIGMAPS):
            await _until(client, kind, count=0)
        # The other way round: without the promise such a namespace refuses the pod, and says so.
        loose = await jobs.make(client, TASK, Site())
        async with aclosing(client.watch(EVENTS, "me")) as events:
            async for event in events:
                if isinstance(event, Updated) and event.object["reason"] == "FailedCreate":
                    assert "violates PodSecurity" in event.object["message"]
                    break
        await jobs.remove(client, loose)


def test_a_restricted_namespace_admits_the_pod_and_the_job_takes_everything_with_it() -> None:
    async def main(folder: Path) -> None:
        async with (
            Processes(folder / "logs") as processes,
            control_plane(folder / "plane", processes) as plane,
            asyncio.timeout(100),
        ):
            await _act(plane)

    with TemporaryDirectory(prefix="oc-gpu-") as folder:
        asyncio.run(main(Path(folder)))
