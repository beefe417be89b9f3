"""The NFD actors alone; pods and DaemonSet status are played by the tests."""

from oc_gpu.kube.resources import (
    DAEMONSETS,
    DEPLOYMENTS,
    NAMESPACES,
    NODES,
    PODS,
)
from oc_gpu.sim.actors.framework import ActorContext, Controller
from oc_gpu.sim.actors.nfd import (
    NfdMaster,
    NfdOperator,
    NfdWorkers,
    discovery_resource,
    feature_resource,
)
from tests.sim_openshift.world import (
    NODE_FEATURES,
    World,
    named,
    offered,
    play_operator,
    play_pod,
    play_pods,
    run,
    state,
    world,
)

OLD, NEW = discovery_resource((4, 4)), discovery_resource((4, 20))
LABEL = "feature.node.kubernetes.io/pci-10de.present"
SPACE = "openshift-nfd"


def master(context: ActorContext) -> Controller:
    resource = feature_resource((4, 20))
    assert resource is not None
    return NfdMaster(context, resource)


async def instance(here: World) -> None:
    _, example = await offered(here.client, "nfd", "stable", "NodeFeatureDiscovery")
    await here.client.create(NEW, example, SPACE)
    await here.until(DAEMONSETS, lambda d: (SPACE, "nfd-worker") in d)


def test_operands_live_in_the_namespace_of_the_resource_not_of_the_operator() -> None:
    async def scene() -> None:
        async with world("seed", NfdOperator) as here:
            await play_operator(here, "nfd.v4.4.0", "openshift-operators")
            await here.client.create(NAMESPACES, named(NAMESPACES, "ocp-nfd"))
            _, example = await offered(here.client, "nfd", "4.4", "NodeFeatureDiscovery")
            await here.client.create(OLD, example, "ocp-nfd")
            found = await here.until(DAEMONSETS, lambda d: len(d) == 2)
            assert set(found) == {("ocp-nfd", "nfd-master"), ("ocp-nfd", "nfd-worker")}
            owner = found["ocp-nfd", "nfd-worker"]["metadata"]["ownerReferences"][0]
            assert owner["kind"] == "NodeFeatureDiscovery"
            made = await here.client.get(OLD, "nfd-master-server", "ocp-nfd")
            assert not made.get("spec")
            assert "status" not in made

    run(scene())


def test_operator_of_one_namespace_ignores_resources_elsewhere() -> None:
    async def scene() -> None:
        async with world("ocp-4.20", NfdOperator) as here:
            await play_operator(here, "nfd.v4.20.0", SPACE, targets=SPACE)
            elsewhere = named(NEW, "nfd", "default", spec={"operand": {}})
            await here.client.create(NEW, elsewhere)
            await instance(here)
            assert {n for n, _ in await here.until(DAEMONSETS, bool)} == {SPACE}

    run(scene())


def test_status_is_degraded_until_all_workloads_are_there() -> None:
    async def scene() -> None:
        async with world("ocp-4.20", NfdOperator) as here:
            await play_operator(here, "nfd.v4.20.0", SPACE, targets=SPACE)
            await instance(here)
            key = (SPACE, "nfd-instance")
            found = await here.until(NEW, lambda c: c[key].get("status"))
            assert state(found[key])["Degraded"] == "True"
            assert state(found[key])["Available"] == "False"
            await here.until(DEPLOYMENTS, lambda d: (SPACE, "nfd-gc") in d)
            await play_pods(here, {"nfd-worker": 4})
            for name in ("nfd-master", "nfd-gc"):
                await here.available(SPACE, name)
            found = await here.until(NEW, lambda c: state(c[key])["Available"] == "True")
            assert state(found[key])["Degraded"] == "False"

    run(scene())


def test_worker_publishes_features_and_the_master_turns_them_into_labels() -> None:
    async def scene() -> None:
        async with world("ocp-4.20", NfdOperator, NfdWorkers, master) as here:
            await play_operator(here, "nfd.v4.20.0", SPACE, targets=SPACE)
            await instance(here)
            started = here.clock.now()
            await play_pod(here, "nfd-worker", SPACE, "gpu-h100-0")
            found = await here.until(NODE_FEATURES, bool)
            assert here.clock.now() - started >= here.scenario.latencies.nfd_scan
            feature = found[SPACE, "gpu-h100-0"]
            assert feature["spec"]["labels"][LABEL] == "true"
            node = await here.client.get(NODES, "gpu-h100-0")
            assert LABEL not in node["metadata"]["labels"]
            await play_pod(here, "nfd-master", SPACE, "master-0")
            found = await here.until(
                NODES, lambda n: LABEL in n[None, "gpu-h100-0"]["metadata"]["labels"]
            )
            notes = found[None, "gpu-h100-0"]["metadata"]["annotations"]
            assert "pci-10de.present" in notes["nfd.node.kubernetes.io/feature-labels"]
            assert LABEL not in found[None, "gpu-a100-0"]["metadata"]["labels"]

    run(scene())


def test_old_worker_labels_its_node_without_feature_objects() -> None:
    async def scene() -> None:
        async with world("seed", NfdWorkers) as here:
            await here.client.create(NAMESPACES, named(NAMESPACES, "ocp-nfd"))
            await play_pod(here, "nfd-worker", "ocp-nfd", "worker03")
            await play_pod(here, "nfd-master", "ocp-nfd", "master01")
            found = await here.until(
                NODES, lambda n: LABEL in n[None, "worker03"]["metadata"]["labels"]
            )
            assert LABEL not in found[None, "worker01"]["metadata"]["labels"]

    run(scene())


def test_what_feature_discovery_wrote_becomes_labels_of_its_node_and_goes_with_it() -> None:
    async def scene() -> None:
        async with world("seed", NfdWorkers) as here:
            await here.client.create(NAMESPACES, named(NAMESPACES, "ocp-nfd"))
            await play_pod(here, "nfd-master", "ocp-nfd", "master01")
            await play_pod(here, "nfd-worker", "ocp-nfd", "worker03")
            await play_pod(here, "nvidia-driver-ctr", "ocp-nfd", "worker03")
            image = "nvcr.io/nvidia/gpu-feature-discovery:v0.4.1"
            await play_pod(here, "gpu-feature-discovery", "ocp-nfd", "worker03", image=image)
            key, label = (None, "worker03"), "nvidia.com/gpu.product"
            found = await here.until(NODES, lambda n: label in n[key]["metadata"]["labels"])
            assert found[key]["metadata"]["labels"][label] == "Tesla-T4"
            await here.client.delete(
                PODS, "gpu-feature-discovery-worker03", "ocp-nfd", grace_seconds=0
            )
            found = await here.until(NODES, lambda n: label not in n[key]["metadata"]["labels"])
            assert LABEL in found[key]["metadata"]["labels"]

    run(scene())


def test_deleting_the_resource_takes_workloads_and_leaves_labels_and_features() -> None:
    async def scene() -> None:
        async with world("ocp-4.20", NfdOperator, NfdWorkers, master) as here:
            await play_operator(here, "nfd.v4.20.0", SPACE, targets=SPACE)
            await instance(here)
            await play_pod(here, "nfd-worker", SPACE, "gpu-h100-0")
            await play_pod(here, "nfd-master", SPACE, "master-0")
            await here.until(NODES, lambda n: LABEL in n[None, "gpu-h100-0"]["metadata"]["labels"])
            await here.client.delete(NEW, "nfd-instance", SPACE)
            await here.until(DAEMONSETS, lambda d: not d)
            await here.until(NEW, lambda c: not c)
            assert await here.client.get(NODE_FEATURES, "gpu-h100-0", SPACE)
            node = await here.client.get(NODES, "gpu-h100-0")
            assert LABEL in node["metadata"]["labels"]
            left = (await here.client.list(DEPLOYMENTS, SPACE)).items
            assert [d["metadata"]["name"] for d in left] == ["nfd-controller-manager"]

    run(scene())
