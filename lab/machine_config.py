"""The real machine-config-controller, and what an installation prepares for it."""

import base64
from collections.abc import Callable
from typing import Any, Final

import yaml

from lab.ground import Site
from lab.programs import components, module, program
from oc_gpu.kube import Client, RawObject, Replaced, Resource, Updated
from oc_gpu.kube.resources import INFRASTRUCTURES, MACHINE_CONFIG_POOLS, NODES
from oc_gpu.sim.scenario import Scenario

NAMESPACE: Final = "openshift-machine-config-operator"
_MODULE: Final = "github.com/openshift/machine-config-operator"
_PREFIX: Final = "machineconfiguration.openshift.io"
_IMAGE: Final = "quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:" + "c" * 64
_IMAGES: Final = (
    "baremetalRuntimeCfgImage",
    "corednsImage",
    "haproxyImage",
    "infraImageKey",
    "keepalivedImage",
    "kubeClientAgentImageKey",
    "machineConfigOperator",
    "setupEtcdEnvKey",
)


def configuration(scenario: Scenario) -> list[RawObject]:
    """Return the cluster's settings that the controller reads, besides those of every scenario."""
    return [
        _config("FeatureGate", {}, {"featureGates": [_no_features(scenario)]}),
        _config("Node", {}),
        _config("Scheduler", {"mastersSchedulable": False}),
        _config("DNS", _dns_spec(scenario)),
        _config("APIServer", {}),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "pull-secret", "namespace": "openshift-config"},
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": base64.b64encode(b'{"auths":{}}').decode()},
        },
        *_shipped_pools(),
    ]


async def start(site: Site) -> None:
    """Start the controller, and wait until every pool has its machines, all of them up to date."""
    client = site.client
    infrastructure = await client.get(INFRASTRUCTURES, "cluster")
    resource = Resource(_PREFIX, "v1", "controllerconfigs", "ControllerConfig", namespaced=False)
    await client.create(resource, _controller_config(site, infrastructure))
    await site.processes.start(
        "machine-config-controller",
        (
            program("machine-config-controller"),
            "start",
            f"--kubeconfig={site.plane.kubeconfig('lab')}",
            f"--templates={module(_MODULE) / 'templates'}",
            f"--resourcelock-namespace={NAMESPACE}",
            f"--payload-version={site.scenario.openshift.version}",
            "--metrics-listen-address=127.0.0.1:0",
        ),
    )
    pools = await _pools_until(client, _rendered)
    await _first_boot(client, site.scenario, {n: _rendered(p) for n, p in pools.items()})
    await _pools_until(client, _has_machines)


async def _pools_until(
    client: Client, ready: Callable[[RawObject], object]
) -> dict[str, RawObject]:
    """Return both pools, by name, once each of them is as wanted."""
    pools: dict[str, RawObject] = {}
    async for event in client.watch(MACHINE_CONFIG_POOLS):
        found = list(event.items) if isinstance(event, Replaced) else []
        found += [event.object] if isinstance(event, Updated) else []
        pools |= {pool["metadata"]["name"]: pool for pool in found}
        if {"master", "worker"} <= pools.keys() and all(map(ready, pools.values())):
            break
    return pools


def _rendered(pool: RawObject) -> str:
    return str((pool["spec"].get("configuration") or {}).get("name") or "")


def _has_machines(pool: RawObject) -> bool:
    status = pool.get("status") or {}
    return bool(status.get("machineCount")) and (
        status.get("updatedMachineCount") == status["machineCount"]
    )


async def _first_boot(client: Client, scenario: Scenario, rendered: dict[str, str]) -> None:
    """Note on each node the configuration that it was installed with, as its first boot does."""
    for facts in scenario.nodes:
        config = rendered[facts.pool]
        request = f"uncordon-{config}"
        notes = {
            "currentConfig": config,
            "desiredConfig": config,
            "state": "Done",
            "reason": "",
            "desiredDrain": request,
            "lastAppliedDrain": request,
        }
        patch = {"metadata": {"annotations": {f"{_PREFIX}/{k}": v for k, v in notes.items()}}}
        await client.patch(NODES, facts.name, patch)


def _shipped_pools() -> list[RawObject]:
    folder = module(_MODULE) / "manifests"
    files = (folder / f"{name}.machineconfigpool.yaml" for name in ("master", "worker"))
    return [yaml.safe_load(path.read_text()) for path in files]


def _config(kind: str, spec: dict[str, Any], status: dict[str, Any] | None = None) -> RawObject:
    made = {"apiVersion": "config.openshift.io/v1", "kind": kind, "spec": spec}
    made["metadata"] = {"name": "cluster"}
    return made | ({"status": status} if status else {})


def _no_features(scenario: Scenario) -> RawObject:
    return {"version": scenario.openshift.version, "enabled": [], "disabled": []}


def _dns_spec(scenario: Scenario) -> dict[str, Any]:
    release = scenario.openshift
    return {"baseDomain": f"{release.cluster_name}.{release.base_domain}"}


def _controller_config(site: Site, infrastructure: RawObject) -> RawObject:
    scenario = site.scenario
    authority = base64.b64encode((site.plane.folder / "server-ca.crt").read_bytes()).decode()
    version = components()["machine-config"].variables[f"{_MODULE}/pkg/version.Raw"]
    infra = {**infrastructure, "metadata": {"name": "cluster"}}
    return {
        "apiVersion": f"{_PREFIX}/v1",
        "kind": "ControllerConfig",
        "metadata": {
            "name": "machine-config-controller",
            "annotations": {f"{_PREFIX}/generated-by-version": version},
        },
        "spec": {
            "additionalTrustBundle": None,
            "baseOSContainerImage": _IMAGE,
            "baseOSExtensionsContainerImage": _IMAGE,
            "cloudProviderCAData": authority,
            "cloudProviderConfig": "",
            "clusterDNSIP": "172.30.0.10",
            "dns": _config("DNS", _dns_spec(scenario)),
            "etcdDiscoveryDomain": "",
            "images": dict.fromkeys(_IMAGES, _IMAGE),
            "infra": infra,
            "ipFamilies": "IPv4",
            "kubeAPIServerServingCAData": authority,
            "network": {"mtuMigration": None},
            "networkType": "OVNKubernetes",
            "osImageURL": _IMAGE,
            "platform": "none",
            "proxy": None,
            "pullSecret": {"name": "pull-secret", "namespace": "openshift-config"},
            "releaseImage": scenario.openshift.release_image,
            "rootCAData": authority,
        },
    }
