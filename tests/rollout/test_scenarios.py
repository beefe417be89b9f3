"""What is particular to a scenario shows in what the road meets there."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec

from oc_gpu.kube import Client
from oc_gpu.kube.resources import MACHINE_CONFIGS, NODES
from oc_gpu.kube.transport import NO_HEADERS, StreamResponse
from oc_gpu.rollout import commands
from oc_gpu.sim.api.inprocess import InProcessTransport
from oc_gpu.sim.api.messages import ADMIN
from oc_gpu.sim.hardware.images import mirrored, pull_problem
from oc_gpu.sim.scenario import Mirror, Network, load
from tests.rollout.clusters import QUIET, Wire, on_cluster, passed, wish
from tests.sim_openshift.test_mco_render import ROLE, config

DRIVER = "nvcr.io/nvidia/driver@sha256:" + "a" * 64


def test_nodes_of_the_arm_cluster_say_arm64() -> None:
    async def act(client: Client, _wire: Wire) -> None:
        nodes = (await client.list(NODES)).items
        labels = {n["metadata"]["labels"]["kubernetes.io/arch"] for n in nodes}
        assert labels == {n["status"]["nodeInfo"]["architecture"] for n in nodes} == {"arm64"}

    on_cluster(act, "arm-4.20")


def test_mirrors_of_digests_know_no_tags() -> None:
    one = Mirror(source="nvcr.io/nvidia", mirrors=("inside:5000/nv",))
    both = msgspec.structs.replace(one, pulled_by=("digest", "tag"))
    tagged = "nvcr.io/nvidia/driver:580"
    assert mirrored(Network(mirrors=(one,)), tagged) == ()
    assert mirrored(Network(mirrors=(both,)), tagged) == ("inside:5000/nv/driver:580",)
    assert mirrored(Network(mirrors=(one,)), DRIVER)[0].startswith("inside:5000/nv/driver@sha256")
    assert mirrored(Network(mirrors=(one,)), "nvcr.io/nvidia-other/x@sha256:1") == ()


def test_without_its_mirrors_the_disconnected_cluster_pulls_nothing() -> None:
    cluster = load("disconnected-4.18")
    assert pull_problem(cluster, DRIVER) is None
    bare = msgspec.structs.replace(cluster.network, mirrors=())
    problem = pull_problem(msgspec.structs.replace(cluster, network=bare), DRIVER)
    assert problem is not None
    assert "nvcr.io" in problem


class Noting(InProcessTransport):
    """Counts how many watches met a server that was not there."""

    refused = 0

    @asynccontextmanager
    async def stream(
        self, method: str, target: str, *, headers: Mapping[str, str] = NO_HEADERS
    ) -> AsyncIterator[StreamResponse]:
        async with super().stream(method, target, headers=headers) as answer:
            self.refused += answer.status == 503
            yield answer


def test_api_of_a_single_node_is_away_while_it_reboots_and_the_road_goes_on_after() -> None:
    async def act(client: Client, wire: Wire) -> None:
        change = config("99-somebody", "/etc/somebody.conf", "data:,x")
        change["metadata"]["labels"] = {ROLE: "master"}
        change |= {"apiVersion": MACHINE_CONFIGS.api_version, "kind": MACHINE_CONFIGS.kind}
        await client.create(MACHINE_CONFIGS, change)
        noting = Noting(wire._server, user=ADMIN, external=True)
        assert passed(await commands.enable(Client(noting), wish(), QUIET, timeout=7200))
        assert noting.refused > 0
        (node,) = (await client.list(NODES)).items
        assert node["status"]["allocatable"]["nvidia.com/gpu"] == "1"

    on_cluster(act, "sno-4.20")
