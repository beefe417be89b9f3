"""Where in a cluster a request can run, told from what was read of it. Pure."""

from collections.abc import Iterable, Iterator

from oc_gpu import facts
from oc_gpu.kube import OcGpuError, RawObject, UsageError
from oc_gpu.manifests.clusterpolicy import BUILT_IN
from oc_gpu.manifests.jobs import Site
from oc_gpu.manifests.proxy import environment
from oc_gpu.snapshot.kinds import Node
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages import tolerations
from oc_gpu.stages.platform import cluster_proxy
from oc_gpu.workload.model import Request

_VENDOR = "nvidia.com/"
_DRIVER_LABELS = ("nvidia.com/cuda.driver.major", "nvidia.com/cuda.driver-version.major")
"""By which GPU feature discovery tells the driver's branch, before and since 0.14."""
_STRICT = ("pod-security.kubernetes.io/enforce", "restricted")


class NoGpuError(OcGpuError):
    """No node offers what is asked for, so nothing was made."""


def wanted(request: Request) -> tuple[str, int]:
    """Return the extended resource that a request needs, and how much of it."""
    return next(iter(request.limits.gpus.items()), ("", 0))


def suitable(request: Request, snapshot: Snapshot) -> tuple[Node, ...]:
    """Return the nodes that have enough of what a request needs, free or not."""
    resource, count = wanted(request)
    return tuple(
        node
        for node in _chosen(request, snapshot.nodes)
        if not count or node.offers(resource) >= count
    )


def _chosen(request: Request, nodes: Iterable[Node]) -> Iterator[Node]:
    """Yield the nodes that the user's selection leaves."""
    for node in nodes:
        labels = node.metadata.labels
        named = request.node in ("", node.metadata.name)
        if named and all(labels.get(k) == v for k, v in request.node_selector.items()):
            yield node


def refuse(request: Request, snapshot: Snapshot) -> None:
    """Refuse what no node can run; where nodes may not be read, nothing is refused.

    Raises:
        NoGpuError: No node offers such a GPU at all.
        UsageError: The node selection leaves no node, or no node has as many.
    """
    if not snapshot.known("nodes") or suitable(request, snapshot):
        return
    resource, count = wanted(request)
    most = max((node.offers(resource) for node in snapshot.nodes), default=0)
    if count and not most:
        raise NoGpuError(f"no node offers {resource}", hints=(_offered(snapshot),))
    if count > most:
        message = f"{count} {resource} are asked for, and the largest node has {most}"
        raise UsageError(message, hints=("one pod runs on one node; ask for fewer with --gpus",))
    chosen = ",".join(f"{k}={v}" for k, v in request.node_selector.items()) or request.node
    having = ", ".join(n.metadata.name for n in snapshot.nodes if not count or n.offers(resource))
    message = f"no node that matches {chosen} offers {count} {resource}" if count else ""
    hint = f"these offer some: {having}" if count else "`oc get nodes --show-labels`"
    raise UsageError(message or f"no node matches {chosen}", hints=(hint,))


def _offered(snapshot: Snapshot) -> str:
    offers: dict[str, int] = {}
    for node in snapshot.nodes:
        for name in node.status.allocatable:
            if name.startswith(_VENDOR) and node.offers(name):
                offers[name] = offers.get(name, 0) + node.offers(name)
    told = ", ".join(f"{name} ({count})" for name, count in sorted(offers.items()))
    return f"the nodes offer {told}" if told else "`oc-gpu status` shows where the road stands"


def site(request: Request, snapshot: Snapshot) -> Site:
    """Return what of the cluster a Job for a request has to fit."""
    return Site(
        tolerations=_tolerations(request, snapshot),
        node_selector=request.node_selector,
        node=request.node,
        env=tuple(environment(cluster_proxy(snapshot))),
        ca=any(_has_ca(proxy) for proxy in snapshot.table("proxies")),
        strict=_is_strict(snapshot, request.namespace),
        simulated=snapshot.simulated,
    )


def _tolerations(request: Request, snapshot: Snapshot) -> tuple[RawObject, ...]:
    """Return tolerations for the taints that keep others off the nodes that suit.

    Where nodes may not be read, the taint by which NVIDIA's parts are known is all that is known.
    """
    if not (wanted(request)[1] or request.node):
        return ()
    if not snapshot.known("nodes"):
        return (dict(BUILT_IN),)
    taints = [t for node in suitable(request, snapshot) for t in node.keeping_off]
    return tuple(tolerations.for_taint(taint) for taint in dict.fromkeys(taints))


def _has_ca(proxy: RawObject) -> bool:
    return bool(((proxy.get("spec") or {}).get("trustedCA") or {}).get("name"))


def _is_strict(snapshot: Snapshot, namespace: str) -> bool:
    found = snapshot.raw("namespaces", namespace) or {}
    label, value = _STRICT
    return ((found.get("metadata") or {}).get("labels") or {}).get(label) == value


def refuse_namespace(request: Request, snapshot: Snapshot) -> None:
    """Refuse a namespace that is not there; where namespaces may not be read, none is.

    Raises:
        UsageError: It is not there.
    """
    if snapshot.known("namespaces") and not snapshot.raw("namespaces", request.namespace):
        message = f"there is no namespace {request.namespace}"
        raise UsageError(
            message, hints=(f"oc new-project {request.namespace}", "or choose with -n")
        )


def pytorch_image(request: Request, snapshot: Snapshot) -> str:
    """Return the PyTorch image for the oldest driver among the nodes that suit."""
    told = (_driver(node) for node in suitable(request, snapshot) if wanted(request)[1])
    return facts.pytorch_image(min(filter(None, told), default=None))


def _driver(node: Node) -> int:
    """Return the branch of a node's driver, 0 where no label tells it."""
    told = (node.metadata.labels.get(label, "") for label in _DRIVER_LABELS)
    return next((int(text) for text in told if text.isdigit()), 0)
