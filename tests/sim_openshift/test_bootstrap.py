import json
import re

from oc_gpu.kube import RawObject, Resource
from oc_gpu.kube.resources import (
    CATALOG_SOURCES,
    CLUSTER_VERSIONS,
    CONFIGMAPS,
    IMAGE_STREAMS,
    INFRASTRUCTURES,
    MACHINE_CONFIG_POOLS,
    MACHINE_CONFIGS,
    NODES,
    OPERATOR_GROUPS,
    PACKAGE_MANIFESTS,
    PROXIES,
)
from oc_gpu.sim.actors.proxy import TrustedBundles
from oc_gpu.sim.cluster import Simulation
from oc_gpu.sim.scenario import load
from tests.sim_openshift.world import MARKETPLACE, changed, named, run, state, world

LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
_SEMANTIC = re.compile(r"v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")


def test_fresh_seed_is_a_healthy_4_4_behind_its_proxy() -> None:
    async def scene() -> None:
        async with world("seed") as here:
            version = await here.client.get(CLUSTER_VERSIONS, "version")
            assert version["status"]["history"][0]["version"] == "4.4.33"
            infrastructure = await here.client.get(INFRASTRUCTURES, "cluster")
            assert infrastructure["status"]["platform"] == "VSphere"
            proxy = await here.client.get(PROXIES, "cluster")
            assert proxy["spec"]["httpProxy"] == "http://proxy.example.com:8080"
            listed = proxy["status"]["noProxy"].split(",")
            assert listed == sorted(listed)
            assert {
                ".example.com",
                "16.147.201.0/24",
                "127.0.0.1",
                "localhost",
                ".svc",
                ".cluster.local",
                "10.128.0.0/14",
                "172.30.0.0/16",
                "api-int.gpu44.example.com",
            } == set(listed)
            assert (await here.client.list(IMAGE_STREAMS)).items == []

    run(scene())


def test_every_pool_of_a_fresh_cluster_is_updated_and_its_nodes_run_its_configuration() -> None:
    async def scene() -> None:
        async with world("seed") as here:
            pools = {
                p["metadata"]["name"]: p
                for p in (await here.client.list(MACHINE_CONFIG_POOLS)).items
            }
            assert set(pools) == {"master", "worker"}
            for pool in pools.values():
                states = state(pool)
                assert states.pop("Updated") == "True"
                assert set(states.values()) == {"False"}
                assert pool["status"]["machineCount"] == pool["status"]["readyMachineCount"] == 3
                name = pool["spec"]["configuration"]["name"]
                rendered = await here.client.get(MACHINE_CONFIGS, name)
                owner = rendered["metadata"]["ownerReferences"][0]
                assert owner["uid"] == pool["metadata"]["uid"]
            node = await here.client.get(NODES, "worker03")
            notes = node["metadata"]["annotations"]
            wanted = pools["worker"]["spec"]["configuration"]["name"]
            assert notes["machineconfiguration.openshift.io/currentConfig"] == wanted
            assert notes["machineconfiguration.openshift.io/state"] == "Done"

    run(scene())


def test_catalogs_are_ready_and_tell_examples_before_installation() -> None:
    async def scene() -> None:
        async with world("ocp-4.20") as here:
            for source in (await here.client.list(CATALOG_SOURCES, MARKETPLACE)).items:
                connection = source["status"]["connectionState"]
                assert connection["lastObservedState"] == "READY"
            selector = "catalog=certified-operators"
            found = await here.client.list(PACKAGE_MANIFESTS, label_selector=selector)
            (manifest,) = found.items
            status = manifest["status"]
            assert (status["packageName"], status["defaultChannel"]) == (
                "gpu-operator-certified",
                "v25.10",
            )
            for channel in status["channels"]:
                assert channel["currentCSV"] == "gpu-operator-certified.v25.10.1"
                text = channel["currentCSVDesc"]["annotations"]["alm-examples"]
                assert [e["kind"] for e in json.loads(text)] == ["ClusterPolicy", "NVIDIADriver"]

    run(scene())


def test_global_operators_group_watches_all_namespaces() -> None:
    async def scene() -> None:
        async with world("seed") as here:
            group = await here.client.get(
                OPERATOR_GROUPS, "global-operators", "openshift-operators"
            )
            assert group["spec"] == {}
            assert group["status"]["namespaces"] == [""]

    run(scene())


def test_driver_toolkit_has_a_tag_per_rhcos_version() -> None:
    async def scene() -> None:
        async with world("ocp-4.20") as here:
            stream = await here.client.get(IMAGE_STREAMS, "driver-toolkit", "openshift")
            tags = {t["name"]: t["from"]["name"] for t in stream["spec"]["tags"]}
            assert set(tags) == {"9.6.20251028-0", "latest"}
            assert tags["latest"] == tags["9.6.20251028-0"]

    run(scene())


def test_other_facts_show_in_every_object() -> None:
    def other(document: RawObject) -> None:
        document["nodes"][5]["name"] = "gpu-x"
        document["openshift"]["version"] = "4.4.29"
        document["network"]["proxy"] = None

    async def scene() -> None:
        async with world(changed("seed", other)) as here:
            names = {n["metadata"]["name"] for n in (await here.client.list(NODES)).items}
            assert "gpu-x" in names
            assert "worker03" not in names
            version = await here.client.get(CLUSTER_VERSIONS, "version")
            assert version["status"]["desired"]["version"] == "4.4.29"
            proxy = await here.client.get(PROXIES, "cluster")
            assert proxy.get("status") in (None, {})

    run(scene())


def test_config_map_that_asks_for_trusted_authorities_gets_them() -> None:
    async def scene() -> None:
        async with world("seed", TrustedBundles) as here:
            asking = named(CONFIGMAPS, "trust", "default")
            asking["metadata"]["labels"] = {"config.openshift.io/inject-trusted-cabundle": "true"}
            await here.client.create(CONFIGMAPS, asking)
            found = await here.until(
                CONFIGMAPS, lambda c: c["default", "trust"].get("data"), "default"
            )
            source = await here.client.get(
                CONFIGMAPS, "trusted-ca-bundle", "openshift-config-managed"
            )
            assert found["default", "trust"]["data"] == source["data"]

    run(scene())


def test_version_of_every_release_is_a_semantic_one_that_says_it_is_simulated() -> None:
    async def scene() -> None:
        for name in ("seed", "ocp-4.20"):
            async with Simulation(load(name)) as simulation:
                version = await simulation.client().version()
                assert version.simulated
                assert _SEMANTIC.fullmatch(version.git_version), version.git_version

    run(scene())


def test_every_node_has_the_lease_of_its_kubelet() -> None:
    async def scene() -> None:
        async with world("seed") as here:
            leases = (await here.client.list(LEASES, "kube-node-lease")).items
            nodes = {n["metadata"]["name"]: n for n in (await here.client.list(NODES)).items}
            assert {lease["metadata"]["name"] for lease in leases} == set(nodes)
            for lease in leases:
                node = nodes[lease["metadata"]["name"]]
                assert lease["spec"]["holderIdentity"] == node["metadata"]["name"]
                assert lease["metadata"]["ownerReferences"][0]["uid"] == node["metadata"]["uid"]

    run(scene())
