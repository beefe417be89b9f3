"""The objects that a cluster's installation leaves, derived from a scenario."""

from collections.abc import Callable, Iterator

from oc_gpu.kube import RawObject
from oc_gpu.sim.api.messages import StatusError
from oc_gpu.sim.bootstrap_config import config_objects
from oc_gpu.sim.bootstrap_machines import machine_objects
from oc_gpu.sim.bootstrap_olm import olm_objects
from oc_gpu.sim.scenario import Scenario, ScenarioError, WebhookFacts

_NAMESPACES = (
    "default",
    "kube-node-lease",
    "kube-public",
    "kube-system",
    "openshift",
    "openshift-config",
    "openshift-config-managed",
    "openshift-infra",
    "openshift-machine-config-operator",
    "openshift-marketplace",
    "openshift-monitoring",
    "openshift-network-operator",
    "openshift-operator-lifecycle-manager",
    "openshift-operators",
)
_DRIVER_TOOLKIT_SINCE = (4, 8)
_PRIORITIES = {"system-cluster-critical": 2000000000, "system-node-critical": 2000001000}
_RBAC = "rbac.authorization.k8s.io"


def install_all(install: Callable[[RawObject], RawObject], scenario: Scenario, now: float) -> None:
    """Put all initial objects in place; owner references get the uids that the server gives.

    Args:
        install: Stores one object with its status and returns it.
        scenario: The cluster's facts.
        now: Epoch seconds at which the cluster is there.

    Raises:
        ScenarioError: An object that the scenario brings along is refused.
    """
    uids: dict[tuple[str, str], str] = {}
    for obj in initial_objects(scenario, now):
        for owner in obj["metadata"].get("ownerReferences") or []:
            owner["uid"] = uids.get((owner["kind"], owner["name"]), owner.get("uid", ""))
        try:
            stored = install(obj)
        except StatusError as error:
            what = f"{obj.get('kind')}/{obj['metadata'].get('name')}"
            msg = f"scenario {scenario.name} cannot have {what}: {error.message}"
            raise ScenarioError(msg) from error
        uids[stored["kind"], stored["metadata"]["name"]] = stored["metadata"]["uid"]


def initial_objects(scenario: Scenario, now: float) -> Iterator[RawObject]:
    """Yield every object of a fresh cluster, with its status, in an order that can be installed.

    Args:
        scenario: The cluster's facts.
        now: Epoch seconds at which it is there.
    """
    yield from map(_namespace, _NAMESPACES)
    yield from config_objects(scenario, now)
    yield from machine_objects(scenario, now)
    yield from olm_objects(scenario, now)
    yield from _cluster_roles()
    yield from _priority_classes()
    yield from _driver_toolkit(scenario)
    yield from map(_webhook, scenario.webhooks)
    yield from (obj for obj in scenario.preexisting if not _is_there(obj))


def _webhook(facts: WebhookFacts) -> RawObject:
    namespace, _, name = facts.service.partition("/")
    service = {"namespace": namespace, "name": name, "path": "/validate", "port": 443}
    rule = {
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": ["CREATE"],
        "resources": list(facts.resources),
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": facts.name},
        "webhooks": [
            {
                "name": facts.name,
                "clientConfig": {"service": service},
                "rules": [rule],
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


def _is_there(obj: RawObject) -> bool:
    """Tell whether an object that a scenario brings along is a namespace of every cluster."""
    return obj.get("kind") == "Namespace" and obj["metadata"].get("name") in _NAMESPACES


def _namespace(name: str) -> RawObject:
    labels = {"kubernetes.io/metadata.name": name}
    if name in {"openshift-operators", "openshift-marketplace", "openshift-monitoring"}:
        labels["openshift.io/cluster-monitoring"] = "true"
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def _cluster_roles() -> Iterator[RawObject]:
    every = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    read = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]
    rules = {"admin": every, "cluster-admin": every, "cluster-reader": read, "edit": every}
    for name, given in (rules | {"view": read}).items():
        yield {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
            "rules": given,
        }


def _priority_classes() -> Iterator[RawObject]:
    for name, value in _PRIORITIES.items():
        yield {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": value,
        }


def _driver_toolkit(scenario: Scenario) -> Iterator[RawObject]:
    """Yield ImageStream openshift/driver-toolkit, part of the release from 4.8 on."""
    tags = scenario.openshift.driver_toolkit
    if scenario.openshift.minor < _DRIVER_TOOLKIT_SINCE or not tags:
        return
    named = [(t.ostree_version, t.image) for t in tags] + [("latest", tags[-1].image)]
    yield {
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStream",
        "metadata": {"name": "driver-toolkit", "namespace": "openshift"},
        "spec": {
            "lookupPolicy": {"local": False},
            "tags": [
                {"name": name, "from": {"kind": "DockerImage", "name": image}}
                for name, image in named
            ],
        },
        "status": {
            "dockerImageRepository": "",
            "tags": [
                {
                    "tag": name,
                    "items": [
                        {
                            "dockerImageReference": image,
                            "image": image.rpartition("@")[2],
                            "generation": 1,
                        }
                    ],
                }
                for name, image in named
            ],
        },
    }
