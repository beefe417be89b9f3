"""The GPU Operator alone; DaemonSet status and pods are played by the tests."""

from typing import Any

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import (
    CLUSTER_POLICIES,
    DAEMONSETS,
    DEPLOYMENTS,
    NAMESPACES,
    NODES,
    PODS,
)
from oc_gpu.sim.actors.gpu_operator import GpuOperator
from tests.sim_openshift.world import (
    Objects,
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

PACKAGE, SPACE, OLD_SPACE = (
    "gpu-operator-certified",
    "nvidia-gpu-operator",
    "gpu-operator-resources",
)
POLICY = (None, "gpu-cluster-policy")
FEATURE = "feature.node.kubernetes.io/"
CARD = f"{FEATURE}pci-10de.present"
OSTREE = f"{FEATURE}system-os_release.OSTREE_VERSION"
RHCOS = "9.6.20251028-0"


async def apply_policy(here: World, channel: str, **spec: Any) -> None:
    _, example = await offered(here.client, PACKAGE, channel, "ClusterPolicy")
    example["spec"] |= spec
    await here.client.create(CLUSTER_POLICIES, example)


async def label(here: World, node: str, **labels: str) -> None:
    await here.client.patch(NODES, node, {"metadata": {"labels": labels}})


def status(found: Objects) -> RawObject:
    given: RawObject = found.get(POLICY, {}).get("status") or {}
    return given


def reason(found: Objects) -> str:
    conditions = status(found).get("conditions") or []
    return next((c["reason"] for c in conditions if c["status"] == "True"), "")


async def new_operator(here: World, **spec: Any) -> None:
    await play_operator(here, f"{PACKAGE}.v25.10.1", SPACE, targets=SPACE)
    await apply_policy(here, "v25.10", **spec)


def test_ready_is_said_without_any_label_and_without_any_card() -> None:
    async def scene() -> None:
        async with world("no-gpu", GpuOperator) as here:
            await new_operator(here)
            found = await here.until(CLUSTER_POLICIES, reason)
            assert (status(found)["state"], reason(found)) == ("ready", "NFDLabelsMissing")
            await label(here, "worker-0", **{f"{FEATURE}cpu-cpuid.AVX": "true"})
            found = await here.until(CLUSTER_POLICIES, lambda p: reason(p) == "NoGPUNodes")
            assert status(found)["state"] == "ready"
            assert (await here.client.list(DAEMONSETS)).items == []

    run(scene())


def test_operands_appear_with_the_first_card_and_ready_comes_with_their_pods() -> None:
    async def scene() -> None:
        async with world("ocp-4.20", GpuOperator) as here:
            await new_operator(here)
            await label(here, "gpu-h100-0", **{CARD: "true", OSTREE: RHCOS})
            found = await here.until(DAEMONSETS, lambda d: len(d) == 10)
            assert (SPACE, f"nvidia-driver-daemonset-{RHCOS}") in found
            policies = await here.until(CLUSTER_POLICIES, lambda p: reason(p) == "Reconciled")
            assert status(policies)["state"] == "ready", "before any DaemonSet has counted its pods"
            assert status(policies)["namespace"] == SPACE
            await play_pods(here, {"nvidia-dcgm": 1}, ready=False)
            policies = await here.until(
                CLUSTER_POLICIES, lambda p: "[state-dcgm]" in str(status(p).get("conditions"))
            )
            assert state(policies[POLICY]) == {"Ready": "False", "Error": "True"}
            await play_pods(here, {"nvidia-dcgm": 1})
            policies = await here.until(CLUSTER_POLICIES, lambda p: reason(p) == "Reconciled")
            assert status(policies)["state"] == "ready"

    run(scene())


def test_operands_that_want_no_pods_because_of_a_taint_count_as_ready() -> None:
    async def scene() -> None:
        async with world("ocp-4.20", GpuOperator) as here:
            await new_operator(here)
            await label(here, "gpu-h100-0", **{CARD: "true", OSTREE: RHCOS})
            await here.until(DAEMONSETS, lambda d: len(d) == 10)
            await play_pods(here, {})
            await here.until(CLUSTER_POLICIES, lambda p: reason(p) == "Reconciled")

    run(scene())


def test_changed_tolerations_change_every_daemonset() -> None:
    async def scene() -> None:
        async with world("ocp-4.20", GpuOperator) as here:
            await new_operator(here)
            await label(here, "gpu-h100-0", **{CARD: "true", OSTREE: RHCOS})
            await here.until(DAEMONSETS, lambda d: len(d) == 10)
            own = [{"key": "nodetype", "operator": "Exists", "effect": "NoSchedule"}]
            change = {"spec": {"daemonsets": {"tolerations": own}}}
            await here.client.patch(CLUSTER_POLICIES, "gpu-cluster-policy", change)
            await here.until(
                DAEMONSETS,
                lambda d: all(
                    o["spec"]["template"]["spec"]["tolerations"] == own for o in d.values()
                ),
            )

    run(scene())


def test_second_policy_is_ignored() -> None:
    async def scene() -> None:
        async with world("no-gpu", GpuOperator) as here:
            await new_operator(here)
            await here.until(CLUSTER_POLICIES, reason)
            first = await here.client.get(CLUSTER_POLICIES, "gpu-cluster-policy")
            second = named(CLUSTER_POLICIES, "z-second", spec=first["spec"])
            await here.client.create(CLUSTER_POLICIES, second)
            await label(here, "worker-0", **{f"{FEATURE}a": "true"})
            found = await here.until(CLUSTER_POLICIES, lambda p: reason(p) == "NoGPUNodes")
            assert "status" not in found[None, "z-second"]

    run(scene())


def test_without_a_running_operator_nothing_happens() -> None:
    async def scene() -> None:
        async with world("seed", GpuOperator) as here:
            await play_operator(here, f"{PACKAGE}.v1.5.2", "openshift-operators")
            await here.client.create(NAMESPACES, named(NAMESPACES, OLD_SPACE))
            gone = {"status": {"conditions": [{"type": "Available", "status": "False"}]}}
            await here.client.patch(
                DEPLOYMENTS, "gpu-operator", gone, "openshift-operators", subresource="status"
            )
            await apply_policy(here, "stable")
            await here.clock.sleep(60)
            assert (await here.client.list(DAEMONSETS)).items == []
            await here.available("openshift-operators", "gpu-operator")
            await here.until(DAEMONSETS, bool)

    run(scene())


def test_old_operator_needs_its_namespace_and_goes_step_by_step() -> None:
    async def scene() -> None:
        async with world("seed", GpuOperator) as here:
            await play_operator(here, f"{PACKAGE}.v1.5.2", "openshift-operators")
            await label(here, "worker03", **{CARD: "true"})
            await apply_policy(here, "stable")
            await here.until(
                NODES,
                lambda n: "nvidia.com/gpu.present" in n[None, "worker03"]["metadata"]["labels"],
            )
            await here.clock.sleep(60)
            assert (await here.client.list(DAEMONSETS)).items == []
            await here.client.create(NAMESPACES, named(NAMESPACES, OLD_SPACE))
            names = ["nvidia-driver-daemonset", "nvidia-container-toolkit-daemonset"]
            found = await here.until(DAEMONSETS, bool)
            assert {n for _, n in found} == {names[0]}
            await play_pods(here, {})
            await here.clock.sleep(60)
            assert len((await here.client.list(DAEMONSETS)).items) == 1
            await play_pod(here, names[0], OLD_SPACE, "worker03")
            await play_pods(here, {names[0]: 1})
            found = await here.until(DAEMONSETS, lambda d: len(d) > 1)
            assert {n for _, n in found} == set(names)
            await play_pod(here, names[1], OLD_SPACE, "worker03")
            await play_pods(here, dict.fromkeys(names, 1))
            check = (OLD_SPACE, "nvidia-driver-validation")
            pods = await here.until(PODS, lambda p: check in p)
            tolerated = {t["key"] for t in pods[check]["spec"]["tolerations"]}
            assert {k for k in tolerated if not k.startswith("node.")} == {"nvidia.com/gpu"}
            policy = await here.client.get(CLUSTER_POLICIES, "gpu-cluster-policy")
            assert "status" not in policy
            done = {"status": {"phase": "Succeeded"}}
            await here.client.patch(
                PODS, "nvidia-driver-validation", done, OLD_SPACE, subresource="status"
            )
            await here.until(
                DAEMONSETS, lambda d: (OLD_SPACE, "nvidia-device-plugin-daemonset") in d
            )

    run(scene())
