"""The snapshot: one immutable view of a cluster, with what could not be read marked as such."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from msgspec import Struct, field

from oc_gpu.kube import RawObject
from oc_gpu.snapshot.kinds import DaemonSet, Deployment, Event, Named, Node, Pod
from oc_gpu.snapshot.texts import Text, TextRef

T = TypeVar("T")


class Unread(Struct, frozen=True):
    """Why a source could not be read.

    `absent` (the API is not served), `forbidden`, `failed`, `not gathered` (a bundle has none).
    """

    reason: str
    detail: str = ""


class Alert(Struct, frozen=True):
    """An alert that was firing, as Prometheus tells it."""

    name: str
    message: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


def spec_of(obj: RawObject) -> RawObject:
    """Return the spec of a raw object, empty where it has none."""
    return obj.get("spec") or {}


class Snapshot(Struct, frozen=True, dict=True):
    """What is known of a cluster at one moment.

    Attributes:
        server: URL of the API server, or a file name for saved ones.
        simulated: True when the API server says that it is a simulation.
        git_version: Version of Kubernetes as the server tells it.
        now: Epoch seconds by the cluster's clock.
        tables: Objects by source name (see `oc_gpu.snapshot.sources`), typed as the source says.
        unread: Sources that could not be read, with the reason. Never treat them as empty.
        logs: Last lines of containers that were asked for, by `namespace/pod`.
        unlogged: Why logs that were asked for may not be read, by `namespace/pod`; for the doctor
            by `namespace/pod/container`, and `Node/name` for kernel messages.
        journals: Kernel messages of the current boot by node name, where they were asked for.
        alerts: Alerts that were firing, where they were asked for.
        texts: Logs of containers and files of nodes, for the doctor; the parts that were read.
    """

    server: str
    simulated: bool = False
    git_version: str = ""
    now: float = 0.0
    tables: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    unread: Mapping[str, Unread] = field(default_factory=dict)
    logs: Mapping[str, str] = field(default_factory=dict)
    unlogged: Mapping[str, str] = field(default_factory=dict)
    journals: Mapping[str, str] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()
    texts: Mapping[TextRef, tuple[Text, ...]] = field(default_factory=dict)

    def table(self, source: str) -> tuple[Any, ...]:
        """Return the objects of a source; empty when unread (ask `known` first)."""
        return self.tables.get(source, ())

    def known(self, source: str) -> bool:
        """Tell whether the source was read; an API that is not served counts as read and empty."""
        unread = self.unread.get(source)
        return unread is None or unread.reason == "absent"

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Return all nodes."""
        return self.tables.get("nodes", ())

    @property
    def pods(self) -> tuple[Pod, ...]:
        """Return the pods of the namespaces of the road."""
        return self.tables.get("pods", ())

    @cached_property
    def pods_by_namespace(self) -> dict[str, list[Pod]]:
        """Return the pods by namespace."""
        found: defaultdict[str, list[Pod]] = defaultdict(list)
        for pod in self.pods:
            found[pod.metadata.namespace].append(pod)
        return dict(found)

    @cached_property
    def _placed(self) -> dict[str, dict[str, list[Pod]]]:
        """Return where the pods by node are kept, for the namespaces that were asked for."""
        return {}

    def pods_by_node(self, namespace: str) -> Mapping[str, Sequence[Pod]]:
        """Return the pods of a namespace by node, for rules that look at many nodes."""
        if namespace not in self._placed:
            found: defaultdict[str, list[Pod]] = defaultdict(list)
            for pod in self.pods_by_namespace.get(namespace, ()):
                found[pod.spec.node_name].append(pod)
            self._placed[namespace] = dict(found)
        return self._placed[namespace]

    @property
    def daemon_sets(self) -> tuple[DaemonSet, ...]:
        """Return the DaemonSets of the namespaces of the road."""
        return self.tables.get("daemonsets", ())

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """Return the Deployments of the namespaces of the road."""
        return self.tables.get("deployments", ())

    @property
    def events(self) -> tuple[Event, ...]:
        """Return the warning events that were read."""
        return self.tables.get("events", ())

    def named(self, source: str) -> dict[str, Named]:
        """Return the objects of a source of which only metadata is read, by name."""
        return {item.metadata.name: item for item in self.table(source)}

    def raw(self, source: str, name: str, namespace: str | None = None) -> RawObject | None:
        """Return one raw object of a source, None when it is not there."""
        for item in self.table(source):
            meta = item["metadata"]
            if meta["name"] == name and (not namespace or meta.get("namespace") == namespace):
                return item  # type: ignore[no-any-return]
        return None
