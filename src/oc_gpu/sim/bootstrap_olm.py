"""Catalogs, what they offer, and the OperatorGroups that every cluster has."""

from collections.abc import Iterator

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.objects import timestamp
from oc_gpu.sim.actors.olm_catalog import catalog_source, catalog_status, package_manifests
from oc_gpu.sim.actors.olm_names import group_roles
from oc_gpu.sim.scenario import Catalog, Scenario

_GROUPS = {
    "global-operators": ("openshift-operators", [""]),
    "olm-operators": (
        "openshift-operator-lifecycle-manager",
        ["openshift-operator-lifecycle-manager"],
    ),
}


def _status(catalog: Catalog, now: float) -> RawObject:
    return catalog_status(catalog.name, now, down=catalog.down)


def olm_objects(scenario: Scenario, now: float) -> Iterator[RawObject]:
    """Yield OLM's part of a fresh cluster."""
    for catalog in scenario.catalogs:
        yield catalog_source(catalog) | {"status": _status(catalog, now)}
        yield from package_manifests(catalog)
    for name, (namespace, targets) in _GROUPS.items():
        group: RawObject = {
            "apiVersion": "operators.coreos.com/v1",
            "kind": "OperatorGroup",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {} if targets == [""] else {"targetNamespaces": targets},
            "status": {"lastUpdated": timestamp(now), "namespaces": targets},
        }
        yield group
        yield from group_roles(group, scenario.openshift.minor)
