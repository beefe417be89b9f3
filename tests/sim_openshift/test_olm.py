"""OLM alone; Deployments become available by the tests' hand."""

from typing import Any

import pytest
from msgspec.structs import replace

from oc_gpu.kube import NotFoundError, RawObject
from oc_gpu.kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CRDS,
    CSVS,
    DEPLOYMENTS,
    INSTALL_PLANS,
    NAMESPACES,
    OPERATOR_GROUPS,
    OPERATORS,
    SUBSCRIPTIONS,
)
from oc_gpu.sim import bundles
from oc_gpu.sim.actors.framework import Controller
from oc_gpu.sim.actors.olm_catalog import Catalogs
from oc_gpu.sim.actors.olm_csv import ClusterServiceVersions
from oc_gpu.sim.actors.olm_groups import OperatorGroups
from oc_gpu.sim.actors.olm_plans import InstallPlans
from oc_gpu.sim.actors.olm_subscriptions import OperatorObjects, Subscriptions
from tests.sim_openshift.world import Objects, World, changed, named, run, subscribe, world

OLM: tuple[type[Controller], ...] = (
    Catalogs,
    Subscriptions,
    InstallPlans,
    ClusterServiceVersions,
    OperatorGroups,
    OperatorObjects,
)
GPU, GPU_NAMESPACE = "gpu-operator-certified", "nvidia-gpu-operator"
GPU_CSV = f"{GPU}.v25.10.1"
EVERYWHERE = "openshift-operators"


def phase(found: Objects, namespace: str, name: str) -> tuple[str, str]:
    status = found.get((namespace, name), {}).get("status") or {}
    return status.get("phase", ""), status.get("reason", "")


def reasons(subscription: RawObject) -> dict[str, str]:
    conditions = (subscription.get("status") or {}).get("conditions") or []
    return {c["type"]: c["reason"] for c in conditions if c["status"] == "True"}


async def installed(here: World, namespace: str, csv: str, deployment: str) -> RawObject:
    await here.available(namespace, deployment)
    found = await here.until(CSVS, lambda c: phase(c, namespace, csv)[0] == "Succeeded")
    return found[namespace, csv]


async def at_latest(here: World, namespace: str, name: str) -> RawObject:
    found = await here.until(
        SUBSCRIPTIONS,
        lambda s: s[namespace, name].get("status", {}).get("state") == "AtLatestKnown",
    )
    return found[namespace, name]


def test_automatic_subscription_installs_crds_roles_and_deployment_of_the_channel_head() -> None:
    async def scene() -> None:
        async with world("ocp-4.20", *OLM) as here:
            await subscribe(here.client, GPU, GPU_NAMESPACE, "v25.10")
            csv = await installed(here, GPU_NAMESPACE, GPU_CSV, "gpu-operator")
            phases = [c["phase"] for c in csv["status"]["conditions"]]
            assert list(dict.fromkeys(phases)) == [
                "Pending",
                "InstallReady",
                "Installing",
                "Succeeded",
            ]
            assert csv["metadata"]["annotations"]["olm.targetNamespaces"] == GPU_NAMESPACE
            needs = {r["name"]: r["status"] for r in csv["status"]["requirementStatus"]}
            assert needs == {
                "clusterpolicies.nvidia.com": "Present",
                "nvidiadrivers.nvidia.com": "Present",
                "gpu-operator": "Present",
            }
            label = f"operators.coreos.com/{GPU}.{GPU_NAMESPACE}"
            assert label in csv["metadata"]["labels"]
            subscription = await at_latest(here, GPU_NAMESPACE, GPU)
            assert subscription["status"]["installedCSV"] == GPU_CSV
            assert reasons(subscription) == {}
            assert label in subscription["metadata"]["labels"]
            crd = await here.client.get(CRDS, "clusterpolicies.nvidia.com")
            assert label in crd["metadata"]["labels"]
            group = await here.client.get(OPERATOR_GROUPS, GPU_NAMESPACE, GPU_NAMESPACE)
            assert group["metadata"]["annotations"]["olm.providedAPIs"] == (
                "ClusterPolicy.v1.nvidia.com,NVIDIADriver.v1alpha1.nvidia.com"
            )
            assert await here.client.get(OPERATORS, f"{GPU}.{GPU_NAMESPACE}")

    run(scene())


def test_manual_plan_waits_for_approval_and_goes_on_after_it() -> None:
    async def scene() -> None:
        async with world("ocp-4.20", *OLM) as here:
            await subscribe(here.client, GPU, GPU_NAMESPACE, "v25.10", approval="Manual")
            found = await here.until(
                SUBSCRIPTIONS,
                lambda s: reasons(s[GPU_NAMESPACE, GPU]).get("InstallPlanPending"),
            )
            subscription = found[GPU_NAMESPACE, GPU]
            assert reasons(subscription)["InstallPlanPending"] == "RequiresApproval"
            assert subscription["status"]["state"] == "UpgradePending"
            name = subscription["status"]["installPlanRef"]["name"]
            plan = await here.client.get(INSTALL_PLANS, name, GPU_NAMESPACE)
            assert plan["status"]["phase"] == "RequiresApproval"
            assert plan["spec"]["clusterServiceVersionNames"] == [GPU_CSV]
            assert await here.client.find(CSVS, GPU_CSV, GPU_NAMESPACE) is None
            await here.client.patch(
                INSTALL_PLANS, name, {"spec": {"approved": True}}, GPU_NAMESPACE
            )
            await installed(here, GPU_NAMESPACE, GPU_CSV, "gpu-operator")
            plans = await here.until(
                INSTALL_PLANS, lambda p: p[GPU_NAMESPACE, name]["status"]["phase"] == "Complete"
            )
            plan = plans[GPU_NAMESPACE, name]
            assert {s["status"] for s in plan["status"]["plan"]} == {"Created"}

    run(scene())


def test_subscriptions_of_one_namespace_share_a_plan_that_is_manual_if_one_is() -> None:
    async def scene() -> None:
        async with world("seed", *OLM) as here:
            await subscribe(here.client, "nfd", EVERYWHERE, "4.4")
            await subscribe(here.client, GPU, EVERYWHERE, "stable", approval="Manual")
            found = await here.until(
                INSTALL_PLANS, lambda p: any("status" in o for o in p.values())
            )
            (plan,) = found.values()
            assert plan["spec"]["approval"] == "Manual"
            assert set(plan["spec"]["clusterServiceVersionNames"]) == {
                "nfd.v4.4.0",
                f"{GPU}.v1.5.2",
            }

    run(scene())


def test_channel_that_is_not_there_blocks_every_subscription_of_the_namespace() -> None:
    async def scene() -> None:
        async with world("seed", *OLM) as here:
            await subscribe(here.client, "nfd", EVERYWHERE, "4.4")
            await subscribe(here.client, GPU, EVERYWHERE, "v9.9")
            found = await here.until(
                SUBSCRIPTIONS,
                lambda s: all(reasons(o).get("ResolutionFailed") for o in s.values()),
            )
            conditions = found[EVERYWHERE, "nfd"]["status"]["conditions"]
            message = next(c["message"] for c in conditions if c["type"] == "ResolutionFailed")
            assert "no operators found in channel v9.9" in message
            assert (await here.client.list(INSTALL_PLANS)).items == []

    run(scene())


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        ((), "no operator group found that is managing this namespace"),
        (("a", "b"), "more than one operator group(s) are managing this namespace count=2"),
    ],
)
def test_plan_of_an_older_release_waits_for_exactly_one_operator_group(
    groups: tuple[str, ...], says: str
) -> None:
    def older(document: RawObject) -> None:
        document["openshift"]["version"] = "4.12.30"

    async def scene() -> None:
        async with world(changed("ocp-4.20", older), *OLM) as here:
            await here.client.create(NAMESPACES, named(NAMESPACES, "ns"))
            for name in groups:
                await here.client.create(OPERATOR_GROUPS, group(name))
            await subscribe(here.client, GPU, "ns", "v25.10")
            found = await here.until(
                INSTALL_PLANS,
                lambda p: any((o.get("status") or {}).get("conditions") for o in p.values()),
            )
            (plan,) = found.values()
            (condition,) = plan["status"]["conditions"]
            assert (condition["reason"], condition["message"]) == ("InstallCheckFailed", says)
            assert plan["status"]["phase"] == "Installing"
            assert await here.client.find(CSVS, GPU_CSV, "ns") is None
            for name in groups[1:]:
                await here.client.delete(OPERATOR_GROUPS, name, "ns")
            if not groups:
                await here.client.create(OPERATOR_GROUPS, group("right"))
            await installed(here, "ns", GPU_CSV, "gpu-operator")

    run(scene())


@pytest.mark.parametrize("groups", [(), ("a", "b")])
def test_nothing_is_resolved_without_exactly_one_operator_group(groups: tuple[str, ...]) -> None:
    async def scene() -> None:
        async with world("ocp-4.20", *OLM) as here:
            await here.client.create(NAMESPACES, named(NAMESPACES, "ns"))
            for name in groups:
                await here.client.create(OPERATOR_GROUPS, group(name))
            await subscribe(here.client, GPU, "ns", "v25.10")
            subscriptions = await here.until(SUBSCRIPTIONS, lambda s: s["ns", GPU].get("status"))
            await here.clock.sleep(60)
            assert reasons(subscriptions["ns", GPU]) == {}
            assert (await here.client.list(INSTALL_PLANS)).items == []
            for name in groups[1:]:
                await here.client.delete(OPERATOR_GROUPS, name, "ns")
            if not groups:
                await here.client.create(OPERATOR_GROUPS, group("right"))
            await installed(here, "ns", GPU_CSV, "gpu-operator")

    run(scene())


def test_second_operator_group_fails_what_is_installed_until_it_goes() -> None:
    async def scene() -> None:
        async with world("ocp-4.20", *OLM) as here:
            await here.client.create(NAMESPACES, named(NAMESPACES, "ns"))
            await here.client.create(OPERATOR_GROUPS, group("a"))
            await subscribe(here.client, GPU, "ns", "v25.10")
            await installed(here, "ns", GPU_CSV, "gpu-operator")
            await here.client.create(OPERATOR_GROUPS, group("b"))
            failed = ("Failed", "TooManyOperatorGroups")
            await here.until(CSVS, lambda c: phase(c, "ns", GPU_CSV) == failed)
            await here.client.delete(OPERATOR_GROUPS, "b", "ns")
            await here.until(CSVS, lambda c: phase(c, "ns", GPU_CSV)[0] == "Succeeded")

    run(scene())


def test_plan_that_cannot_be_carried_out_is_tried_for_a_minute_and_then_fails_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "Not_A_Name"}}
    known = bundles.by_csv

    def with_broken(scenario: Any, name: str) -> Any:
        found = known(scenario, name)
        return replace(found, manifests=(broken,)) if found else None

    async def scene() -> None:
        async with world("ocp-4.20", *OLM) as here:
            monkeypatch.setattr(bundles, "by_csv", with_broken)
            await subscribe(here.client, GPU, GPU_NAMESPACE, "v25.10")
            found = await here.until(
                INSTALL_PLANS,
                lambda p: any((o.get("status") or {}).get("message") for o in p.values()),
            )
            (plan,) = found.values()
            assert plan["status"]["phase"] == "Installing"
            assert plan["status"]["message"].startswith("retrying execution due to error: ")
            await here.until(
                INSTALL_PLANS, lambda p: any(o["status"]["phase"] == "Failed" for o in p.values())
            )
            found = await here.until(
                SUBSCRIPTIONS,
                lambda s: reasons(s[GPU_NAMESPACE, GPU]).get("InstallPlanFailed"),
            )
            assert reasons(found[GPU_NAMESPACE, GPU])["InstallPlanFailed"] == (
                "InstallComponentFailed"
            )
            csvs = await here.until(CSVS, lambda c: phase(c, GPU_NAMESPACE, GPU_CSV)[1] != "")
            assert phase(csvs, GPU_NAMESPACE, GPU_CSV) == ("Pending", "RequirementsNotMet")

    run(scene())


def group(name: str) -> RawObject:
    return named(OPERATOR_GROUPS, name, "ns", spec={"targetNamespaces": ["ns"]})


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        ({"a": []}, "UnsupportedOperatorGroup"),
        ({"a": ["ns", "default"]}, "UnsupportedOperatorGroup"),
    ],
)
def test_operator_group_that_does_not_fit_fails_the_csv_by_name(
    groups: dict[str, list[str]], reason: str
) -> None:
    async def scene() -> None:
        async with world("ocp-4.20", *OLM) as here:
            await here.client.create(NAMESPACES, named(NAMESPACES, "ns"))
            for name, targets in groups.items():
                spec = {"targetNamespaces": targets} if targets else {}
                await here.client.create(
                    OPERATOR_GROUPS, named(OPERATOR_GROUPS, name, "ns", spec=spec)
                )
            await subscribe(here.client, GPU, "ns", "v25.10")
            await here.until(CSVS, lambda c: phase(c, "ns", GPU_CSV) == ("Failed", reason))
            assert await here.client.find(DEPLOYMENTS, "gpu-operator", "ns") is None
            for name in groups:
                await here.client.delete(OPERATOR_GROUPS, name, "ns")
            right = named(OPERATOR_GROUPS, "right", "ns", spec={"targetNamespaces": ["ns"]})
            await here.client.create(OPERATOR_GROUPS, right)
            await installed(here, "ns", GPU_CSV, "gpu-operator")

    run(scene())


def test_operator_for_all_namespaces_is_copied_into_each_and_into_later_ones() -> None:
    async def scene() -> None:
        async with world("seed", *OLM) as here:
            await subscribe(here.client, "nfd", EVERYWHERE, "4.4")
            await installed(here, EVERYWHERE, "nfd.v4.4.0", "nfd-operator")
            await here.client.create(NAMESPACES, named(NAMESPACES, "later"))
            found = await here.until(
                CSVS, lambda c: phase(c, "later", "nfd.v4.4.0") == ("Succeeded", "Copied")
            )
            copied = found["default", "nfd.v4.4.0"]
            assert copied["metadata"]["labels"]["olm.copiedFrom"] == EVERYWHERE
            assert copied["status"]["reason"] == "Copied"
            assert found[EVERYWHERE, "nfd.v4.4.0"]["status"]["reason"] == "InstallSucceeded"
            await here.client.delete(SUBSCRIPTIONS, "nfd", EVERYWHERE)
            await here.client.delete(CSVS, "nfd.v4.4.0", EVERYWHERE)
            await here.until(CSVS, lambda c: not c)

    run(scene())


def environment(deployment: RawObject) -> dict[str, Any]:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return {e["name"]: e.get("value") for e in containers[0]["env"]}


def test_proxy_of_the_cluster_reaches_the_operator_unless_the_subscription_names_one() -> None:
    async def scene() -> None:
        async with world("seed", *OLM) as here:
            await subscribe(here.client, "nfd", EVERYWHERE, "4.4")
            own = {"config": {"env": [{"name": "HTTP_PROXY", "value": "http://own"}]}}
            spec = {
                "name": GPU,
                "channel": "stable",
                "source": "certified-operators",
                "sourceNamespace": "openshift-marketplace",
                **own,
            }
            await here.client.create(
                SUBSCRIPTIONS, named(SUBSCRIPTIONS, GPU, EVERYWHERE, spec=spec)
            )
            found = await here.until(DEPLOYMENTS, lambda d: len(d) == 2)
            nfd = environment(found[EVERYWHERE, "nfd-operator"])
            assert nfd["HTTPS_PROXY"] == "http://proxy.example.com:8080"
            assert ".cluster.local" in nfd["NO_PROXY"]
            gpu = environment(found[EVERYWHERE, "gpu-operator"])
            assert gpu["HTTP_PROXY"] == "http://own"
            assert "HTTPS_PROXY" not in gpu

    run(scene())


def test_csv_whose_deployment_becomes_unavailable_fails_and_recovers() -> None:
    async def scene() -> None:
        async with world("ocp-4.20", *OLM) as here:
            await subscribe(here.client, GPU, GPU_NAMESPACE, "v25.10")
            await installed(here, GPU_NAMESPACE, GPU_CSV, "gpu-operator")
            away = {"type": "Available", "status": "False", "message": "no pods"}
            change = {"status": {"conditions": [away]}}
            await here.client.patch(
                DEPLOYMENTS, "gpu-operator", change, GPU_NAMESPACE, subresource="status"
            )
            await here.until(
                CSVS,
                lambda c: phase(c, GPU_NAMESPACE, GPU_CSV) == ("Failed", "ComponentUnhealthy"),
            )
            await installed(here, GPU_NAMESPACE, GPU_CSV, "gpu-operator")

    run(scene())


def test_deleting_subscription_and_csv_leaves_crds_operator_and_roles_of_kinds() -> None:
    async def scene() -> None:
        async with world("ocp-4.20", *OLM) as here:
            roles = {o["metadata"]["name"] for o in (await here.client.list(CLUSTER_ROLES)).items}
            await subscribe(here.client, GPU, GPU_NAMESPACE, "v25.10")
            await installed(here, GPU_NAMESPACE, GPU_CSV, "gpu-operator")
            await here.client.delete(SUBSCRIPTIONS, GPU, GPU_NAMESPACE)
            await here.client.delete(CSVS, GPU_CSV, GPU_NAMESPACE)
            await here.until(CSVS, lambda c: not c)
            after = {o["metadata"]["name"] for o in (await here.client.list(CLUSTER_ROLES)).items}
            new = after - roles
            kinds = ("clusterpolicies.nvidia.com-v1", "nvidiadrivers.nvidia.com-v1alpha1")
            verbs = ("admin", "edit", "view", "crdview")
            assert {f"{k}-{v}" for k in kinds for v in verbs} <= new
            groups = {n for n in new if n.startswith(f"olm.og.{GPU_NAMESPACE}.")}
            assert len(groups) == 3
            assert len(new) == 8 + 3
            assert (await here.client.list(CLUSTER_ROLE_BINDINGS)).items == []
            assert await here.client.get(CRDS, "clusterpolicies.nvidia.com")
            assert await here.client.get(OPERATORS, f"{GPU}.{GPU_NAMESPACE}")
            group = await here.client.get(OPERATOR_GROUPS, GPU_NAMESPACE, GPU_NAMESPACE)
            assert "annotations" not in group["metadata"]

    run(scene())


def test_release_without_operator_objects_neither_labels_nor_makes_them() -> None:
    async def scene() -> None:
        async with world("seed", *OLM) as here:
            await subscribe(here.client, "nfd", EVERYWHERE, "4.4")
            csv = await installed(here, EVERYWHERE, "nfd.v4.4.0", "nfd-operator")
            assert not any(k.startswith("operators.coreos.com") for k in csv["metadata"]["labels"])
            assert (await here.client.list(OPERATORS)).items == []

    run(scene())


def test_nothing_happens_for_a_package_that_no_catalog_has() -> None:
    async def scene() -> None:
        async with world("seed", *OLM) as here:
            await subscribe(here.client, "other", EVERYWHERE, "stable")
            found = await here.until(
                SUBSCRIPTIONS, lambda s: reasons(s[EVERYWHERE, "other"]).get("ResolutionFailed")
            )
            assert found[EVERYWHERE, "other"]["status"].get("installedCSV") is None
            with pytest.raises(NotFoundError):
                await here.client.get(CRDS, "clusterpolicies.nvidia.com")

    run(scene())
