"""What the doctor's checks look at: a snapshot, and what follows from it for all of them.

Everything is worked out when it is asked for first, and kept: what no check asks for costs nothing.
"""

import heapq
import re
from collections.abc import Iterator
from functools import cached_property
from operator import itemgetter
from typing import Any

from oc_gpu.checks import components, listings, troubles
from oc_gpu.checks.components import GPU_STACK, NFD, ON_NODE, OPERATOR
from oc_gpu.checks.listings import Device
from oc_gpu.checks.troubles import Trouble
from oc_gpu.kube import RawObject
from oc_gpu.snapshot.kept import kept
from oc_gpu.snapshot.kinds import DaemonSet, Deployment, Node, Pod
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.texts import Text, TextRef, Words
from oc_gpu.stages.platform import openshift_version

FEATURES = "feature.node.kubernetes.io/"
_VENDOR = "10de"
_GPU = "nvidia.com/"
_VERSION = re.compile(r"v?(\d+(?:\.\d+)+)")


_OF_PODS = ("component", "troubles", "trouble", "_by_component", "_troubles_by_component")
"""What of a case follows from its pods alone, and takes long where there are many."""


class Case:
    """One cluster in trouble, or not.

    Args:
        snapshot: What is known of it.
        before: A case whose knowledge of the pods is taken over where they are the same.
    """

    is_beside = False
    """Whether it is about what is beside the GPU stack (`oc_gpu.checks.beside`)."""

    def __init__(self, snapshot: Snapshot, before: "Case | None" = None) -> None:
        self._snapshot = snapshot
        if before is not None and before.snapshot.pods is snapshot.pods:
            known = vars(before)
            vars(self).update({name: known[name] for name in _OF_PODS if name in known})

    @property
    def snapshot(self) -> Snapshot:
        """Return what is known of the cluster."""
        return self._snapshot

    # -- pods ---------------------------------------------------------------------------------

    @cached_property
    def component(self) -> dict[tuple[str, str], str]:
        """Return the component of each pod by namespace and name."""
        return {key(pod): components.of_pod(pod) for pod in self.snapshot.pods}

    @cached_property
    def _pods(self) -> dict[tuple[str, str], Pod]:
        return {key(pod): pod for pod in self.snapshot.pods}

    @cached_property
    def pods_by_name(self) -> dict[str, list[Pod]]:
        """Return pods by name alone."""
        found: dict[str, list[Pod]] = {}
        for pod in self.snapshot.pods:
            found.setdefault(pod.metadata.name, []).append(pod)
        return found

    @cached_property
    def troubles(self) -> tuple[Trouble, ...]:
        """Return what is wrong with pods, by their status."""
        return tuple(filter(None, map(troubles.of, self.snapshot.pods)))

    @cached_property
    def trouble(self) -> dict[tuple[str, str], Trouble]:
        """Return troubles by namespace and name of the pod."""
        return {key(one.pod): one for one in self.troubles}

    @cached_property
    def _by_component(self) -> dict[str, list[tuple[int, Pod]]]:
        """Return the pods of each component, each with its place among all."""
        found: dict[str, list[tuple[int, Pod]]] = {}
        for place, pod in enumerate(self.snapshot.pods):
            found.setdefault(components.of_pod(pod), []).append((place, pod))
        return found

    @cached_property
    def _by_node(self) -> dict[str, list[Pod]]:
        found: dict[str, list[Pod]] = {}
        for pod in self.snapshot.pods:
            found.setdefault(pod.spec.node_name, []).append(pod)
        return found

    def pods_of(self, *wanted: str) -> list[Pod]:
        """Return the pods of some components."""
        found = [self._by_component.get(name, []) for name in dict.fromkeys(wanted)]
        return [pod for _, pod in heapq.merge(*found, key=itemgetter(0))]

    def pods_on(self, node: str, *wanted: str) -> list[Pod]:
        """Return the pods of some components on a node, all that are there where none is named."""
        here = self._by_node.get(node, [])
        if not wanted:
            return here
        names = dict.fromkeys(wanted)
        return [pod for name in names for pod in here if self.component[key(pod)] == name]

    def troubles_of(self, *wanted: str, fails: bool | None = None) -> list[Trouble]:
        """Return the troubles of some components' pods.

        Args:
            wanted: Components.
            fails: Only those that fail by themselves, or only those that wait.
        """
        found = [self._troubles_by_component.get(name, []) for name in dict.fromkeys(wanted)]
        every = heapq.merge(*found, key=itemgetter(0))
        return [one for _, one in every if fails in (None, one.fails)]

    @cached_property
    def _troubles_by_component(self) -> dict[str, list[tuple[int, Trouble]]]:
        """Return the troubles of each component, each with its place among all."""
        found: dict[str, list[tuple[int, Trouble]]] = {}
        for place, one in enumerate(self.troubles):
            found.setdefault(self.component[key(one.pod)], []).append((place, one))
        return found

    @cached_property
    def sets(self) -> list[tuple[str, DaemonSet]]:
        """Return the DaemonSets of the GPU stack and of NFD, each with its component."""
        every = [(components.of_set(item), item) for item in self.snapshot.daemon_sets]
        return [(name, item) for name, item in every if name in ON_NODE | NFD]

    @cached_property
    def deployments(self) -> list[tuple[str, Deployment]]:
        """Return the Deployments of the GPU stack, of NFD and of OLM, each with its component."""
        every = [(components.of_set(item), item) for item in self.snapshot.deployments]
        return [(name, item) for name, item in every if name != components.OTHER]

    @property
    def workloads(self) -> list[tuple[str, DaemonSet | Deployment]]:
        """Return DaemonSets and Deployments together, each with its component."""
        return [*self.sets, *self.deployments]

    def sets_of(self, *wanted: str) -> list[DaemonSet]:
        """Return the DaemonSets of some components."""
        return [item for name, item in self.sets if name in wanted]

    # -- nodes --------------------------------------------------------------------------------

    @cached_property
    def devices(self) -> dict[str, list[Device]]:
        """Return the NVIDIA devices of each node of which lspci was gathered."""
        return {
            ref.node: [one for text in parts for one in listings.devices(text.content)]
            for ref, parts in self.texts_of_nodes("lspci")
        }

    def cards(self, node: str) -> list[Device]:
        """Return the GPUs of a node, as far as lspci was gathered."""
        return [one for one in self.devices.get(node, []) if one.kind.startswith("03")]

    @cached_property
    def modules(self) -> dict[str, frozenset[str]]:
        """Return the kernel modules of each node of which they were gathered."""
        return {
            ref.node: frozenset(m for text in parts for m in listings.modules(text.content))
            for ref, parts in self.texts_of_nodes("lsmod", "proc/modules")
        }

    @cached_property
    def silent_nodes(self) -> tuple[Node, ...]:
        """Return the GPU nodes whose kubelet tells no more, or tells that it is not ready."""
        return tuple(n for n in self.gpu_nodes if n.ready is not None and not n.is_ready)

    @cached_property
    def gpu_nodes(self) -> tuple[Node, ...]:
        """Return the nodes of which anything says that they have an NVIDIA GPU."""
        return tuple(node for node in self.snapshot.nodes if self._has_gpu(node))

    def _has_gpu(self, node: Node) -> bool:
        labels = node.metadata.labels
        return (
            pci_label(node) != ""
            or labels.get(f"{_GPU}gpu.present") == "true"
            or any(name.startswith(_GPU) for name in node.status.capacity)
            or bool(self.cards(node.metadata.name))
        )

    @cached_property
    def labelled(self) -> tuple[Node, ...]:
        """Return the nodes that NFD labelled as GPU nodes."""
        return tuple(node for node in self.snapshot.nodes if pci_label(node))

    @cached_property
    def _nodes(self) -> dict[str, Node]:
        return {node.metadata.name: node for node in self.snapshot.nodes}

    def node(self, name: str) -> Node | None:
        """Return a node by name."""
        return self._nodes.get(name)

    @cached_property
    def unwell_nodes(self) -> frozenset[str]:
        """Return the nodes on which the GPU stack is not what it should be."""
        troubled = {one.pod.spec.node_name for one in self.troubles_of(*GPU_STACK, *NFD)}
        bare = {n.metadata.name for n in self.gpu_nodes if self.installed and not offers_gpu(n)}
        return frozenset(troubled | bare) - {""}

    @cached_property
    def driverless(self) -> tuple[Node, ...]:
        """Return the GPU nodes on which the driver does not work, or nothing gets beyond it."""
        stuck = {
            one.pod.spec.node_name
            for one in self.troubles_of(*ON_NODE)
            if (
                self.component[key(one.pod)] == components.DRIVER
                and not components.is_beside_driver(one.container)
            )
            or one.container == "driver-validation"
        }
        pulling = {
            one.pod.spec.node_name
            for one in self.troubles_of(components.DRIVER)
            if one.state in troubles.PULLING or one.state == "InvalidImageName"
        }
        return tuple(
            node
            for node in self.snapshot.nodes
            if node.metadata.name in stuck - pulling or node.metadata.name in self._none_found
        )

    @cached_property
    def _none_found(self) -> frozenset[str]:
        """Return the nodes on which nvidia-smi reaches no card."""
        words = (("no devices were found",), ("couldn't communicate with the nvidia driver",))
        return frozenset(
            ref.node
            for ref, parts in self.texts_of_nodes("nvidia-bug-report")
            if any(next(text.find(word), None) for text in parts for word in words)
        )

    @cached_property
    def installed(self) -> bool:
        """Tell whether anything of the GPU stack is installed or meant to be."""
        return bool(
            self.policy
            or self.pods_of(*GPU_STACK)
            or any(name in GPU_STACK for name, _ in (*self.sets, *self.deployments))
            or self.gpu_subscriptions
        )

    @cached_property
    def managed(self) -> bool:
        """Tell whether the GPU Operator runs the stack, which it places by NFD's labels."""
        return bool(
            self.policies
            or self.pods_of(OPERATOR)
            or any(name == OPERATOR for name, _ in self.deployments)
            or self.gpu_subscriptions
        )

    @cached_property
    def gpu_subscriptions(self) -> list[RawObject]:
        """Return the Subscriptions of the GPU Operator."""
        every = self.snapshot.table("subscriptions")
        return [raw for raw in every if "gpu-operator" in str(spec(raw).get("name"))]

    @cached_property
    def unwell(self) -> bool:
        """Tell whether the GPU stack is not what it should be anywhere."""
        state = str(status(self.policies[0]).get("state") or "") if self.policies else "ready"
        return bool(
            self.unwell_nodes
            or self.troubles_of(*GPU_STACK, *NFD)
            or (self.policies and state != "ready")
            or (self.managed and bool(self.snapshot.nodes) and not self.labelled)
            or any(short_of_pods(item) for name, item in self.sets if name in GPU_STACK | NFD)
            or any(n in GPU_STACK | NFD and short(item) for n, item in self.deployments)
            or (self.policies and not self.sets_of(*ON_NODE))
            or any(alert.name.startswith("GPUOperator") for alert in self.snapshot.alerts)
        )

    # -- the GPU Operator ----------------------------------------------------------------------

    @cached_property
    def policies(self) -> tuple[RawObject, ...]:
        """Return the ClusterPolicies."""
        return self.snapshot.table("clusterpolicies")

    @cached_property
    def policy(self) -> dict[str, Any]:
        """Return the spec of the first ClusterPolicy, empty when there is none."""
        return spec(self.policies[0]) if self.policies else {}

    def setting(self, *path: str) -> Any:
        """Return a field of the ClusterPolicy's spec, None when it is not set."""
        value: Any = self.policy
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        return value

    @cached_property
    def operator_version(self) -> tuple[int, ...]:
        """Return the GPU Operator's version by its image or CSV, empty when it is not known."""
        images = [c.image for pod in self.pods_of(OPERATOR) for c in pod.spec.containers]
        images += [
            c.image
            for name, item in self.deployments
            if name == OPERATOR
            for c in item.spec.template.spec.containers
        ]
        names = [raw["metadata"]["name"] for raw in self.snapshot.table("csvs")]
        found = [name.partition(".")[2] for name in names if name.startswith("gpu-operator")]
        tags = [image.rpartition(":")[2] for image in images if "gpu-operator" in image]
        return next((v for text in (*tags, *found) if (v := version(text))), ())

    @cached_property
    def openshift(self) -> tuple[int, ...]:
        """Return the release of OpenShift that runs; empty without one, or when unknown."""
        return version(openshift_version(self.snapshot))

    @cached_property
    def on_openshift(self) -> bool:
        """Tell whether the cluster is an OpenShift."""
        return bool(self.snapshot.table("clusterversions")) or any(
            "CoreOS" in node.status.node_info.os_image
            and "Red Hat" in node.status.node_info.os_image
            for node in self.snapshot.nodes
        )

    @cached_property
    def driver_version(self) -> tuple[int, ...]:
        """Return the version of the driver that is to run, by its image."""
        images = [
            c.image
            for item in (*self.pods_of(components.DRIVER),)
            for c in item.spec.containers
            if "driver" in c.name and "toolkit" not in c.name
        ]
        wanted = str(self.setting("driver", "version") or "")
        tags = [image.rpartition(":")[2] for image in images]
        return next((v for text in (*tags, wanted) if (v := version(text))), ())

    # -- texts --------------------------------------------------------------------------------

    def texts_of_nodes(self, *names: str) -> Iterator[tuple[TextRef, tuple[Text, ...]]]:
        """Yield files of nodes whose name ends like one of these."""
        for ref in self._node_refs:
            if ref.name.endswith(names):
                yield ref, self.snapshot.texts[ref]

    @cached_property
    def _node_refs(self) -> list[TextRef]:
        return [ref for ref in self.snapshot.texts if ref.kind == "node"]

    @cached_property
    def texts_of_clients(self) -> list[TextRef]:
        """Return what programs on the admin's machine printed."""
        return [ref for ref in self.snapshot.texts if ref.kind == "other"]

    @cached_property
    def logs(self) -> list[tuple[TextRef, Pod | None, str]]:
        """Return the logs that are worth reading: of the stack, of workloads, of what fails."""
        found: list[tuple[TextRef, Pod | None, str]] = []
        for ref in self.snapshot.texts:
            if ref.kind == "log":
                pod = self.pod(ref)
                part = self.component[key(pod)] if pod is not None else components.OTHER
                if part != components.OTHER or pod is None or key(pod) in self.trouble:
                    found.append((ref, pod, part))
        return found

    @cached_property
    def words_of_logs(self) -> Words:
        """Return the words of all logs that are worth reading."""
        return Words.all_of(text for ref, _, _ in self.logs for text in self.snapshot.texts[ref])

    @cached_property
    def events_text(self) -> Text:
        """Return the messages of all events, a line each: one search goes through them all."""
        return Text([" ".join(e.message.split("\n")) for e in self.snapshot.events])

    @cached_property
    def troubles_text(self) -> Text:
        """Return what is said of all troubles, a line each."""
        return Text([" ".join(one.message.split("\n")) for one in self.troubles])

    def pod(self, ref: TextRef) -> Pod | None:
        """Return the pod of a log, None when it is not known."""
        if ref.namespace:
            return self._pods.get((ref.namespace, ref.pod))
        fitting = self.pods_by_name.get(ref.pod, [])
        if not fitting and ref.pod == OPERATOR:
            fitting = self.pods_of(OPERATOR)
        return fitting[0] if fitting else None


# -- small views ------------------------------------------------------------------------------


def key(pod: Pod) -> tuple[str, str]:
    """Return namespace and name."""
    return pod.metadata.namespace, pod.metadata.name


def spec(raw: RawObject) -> dict[str, Any]:
    """Return the spec of a raw object, empty when it has none."""
    found = raw.get("spec")
    return found if isinstance(found, dict) else {}


def status(raw: RawObject) -> dict[str, Any]:
    """Return the status of a raw object, empty when it has none."""
    found = raw.get("status")
    return found if isinstance(found, dict) else {}


def conditions(raw: RawObject) -> dict[str, dict[str, Any]]:
    """Return the conditions of a raw object by type; those of a CSV have none."""
    found = status(raw).get("conditions")
    every = found if isinstance(found, list) else []
    return {str(c["type"]): c for c in every if isinstance(c, dict) and c.get("type")}


def name_of(raw: RawObject) -> str:
    """Return `Kind/name` of a raw object."""
    return f"{raw.get('kind') or 'Object'}/{raw['metadata']['name']}"


def namespace_of(raw: RawObject) -> str:
    """Return the namespace of a raw object."""
    return str(raw["metadata"].get("namespace") or "")


def version(text: str) -> tuple[int, ...]:
    """Return the first version in a text as numbers, empty when there is none."""
    match = _VERSION.search(text)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


GPU_LABELS = ("pci-10de.present", "pci-0302_10de.present", "pci-0300_10de.present")
"""What the GPU Operator looks for on nodes, without NFD's prefix (gpu-operator, controllers)."""


@kept
def pci_label(node: Node) -> str:
    """Return the label by which the GPU Operator knows a node as a GPU node, empty without one."""
    names = (FEATURES + name for name in GPU_LABELS)
    return next((name for name in names if node.metadata.labels.get(name) == "true"), "")


@kept
def has_features(node: Node) -> bool:
    """Tell whether NFD labelled a node at all."""
    return any(name.startswith(FEATURES) for name in node.metadata.labels)


@kept
def offers_gpu(node: Node) -> bool:
    """Tell whether pods can ask for a GPU, or a part of one, of a node."""
    amounts = node.status.allocatable
    return any(k.startswith(_GPU) and v not in ("0", "") for k, v in amounts.items())


def short_of_pods(item: DaemonSet) -> bool:
    """Tell whether a DaemonSet has fewer ready pods than it wants."""
    return item.status.number_ready < item.status.desired_number_scheduled


def short(item: Deployment) -> bool:
    """Tell whether a Deployment has fewer ready pods than it wants."""
    return item.status.ready_replicas < item.spec.replicas
