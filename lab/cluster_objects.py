"""What an installation of OpenShift leaves before any of the lab's programs has run."""

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from lab import machine_config
from oc_gpu.kube import Client, RawObject, Resource
from oc_gpu.kube.discovery import Discovery
from oc_gpu.kube.errors import AlreadyExistsError
from oc_gpu.sim.bootstrap import initial_objects
from oc_gpu.sim.scenario import Scenario

_MADE_BY_REAL_PROGRAMS: Final = frozenset(
    {
        "CatalogSource",
        "ClusterRole",
        "ClusterRoleBinding",
        "Lease",
        "MachineConfig",
        "MachineConfigPool",
        "Node",
        "PackageManifest",
        "PriorityClass",
    }
)


async def install(client: Client, scenario: Scenario, custom: tuple[Resource, ...]) -> None:
    """Create the objects of a scenario that no program of the lab makes.

    Args:
        client: A client of the control plane's administrator.
        scenario: The cluster's facts.
        custom: The kinds that were defined just now.
    """
    discovery = await client.discover()
    discovery = Discovery((*custom, *discovery.resources))
    shared = initial_objects(scenario, time.time())
    kept = (o for o in shared if o["kind"] not in _MADE_BY_REAL_PROGRAMS)
    for obj in _namespaces_first([*kept, *machine_config.configuration(scenario), *_nfd_rights()]):
        await _put(client, discovery, obj)


def _nfd_rights() -> list[RawObject]:
    """Let NFD's programs do in their own API group what the operator lets them do in its.

    The operator is OpenShift's and speaks nfd.openshift.io. In life so do nfd-master and
    nfd-worker; here they are upstream's, which speak nfd.k8s-sigs.io and read their own pod.
    """
    name, group = "lab-upstream-nfd", "rbac.authorization.k8s.io"
    rules = [
        {"apiGroups": ["nfd.k8s-sigs.io"], "resources": ["*"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
    ]
    accounts = {"apiGroup": group, "kind": "Group", "name": "system:serviceaccounts:openshift-nfd"}
    role = {"apiGroup": group, "kind": "ClusterRole", "name": name}
    return [
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": rules,
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": role,
            "subjects": [accounts],
        },
    ]


def _namespaces_first(objects: Iterable[RawObject]) -> list[RawObject]:
    return sorted(objects, key=lambda o: o["kind"] != "Namespace")


async def _put(client: Client, discovery: Discovery, obj: RawObject) -> None:
    """Create an object and then its status, which a creation does not take."""
    resource = _resource(discovery, obj)
    namespace = obj["metadata"].get("namespace")
    with suppress(AlreadyExistsError):
        made = await client.create(resource, obj, namespace)
        if obj.get("status"):
            await client.replace(resource, made | {"status": obj["status"]}, subresource="status")


def _resource(discovery: Discovery, obj: RawObject) -> Resource:
    group = obj["apiVersion"].rpartition("/")[0]
    resource = discovery.find(group, obj["kind"])
    if resource is None:
        raise LookupError(f"the server does not serve {obj['kind']} of {obj['apiVersion']}")
    return resource
