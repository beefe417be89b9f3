"""`status`: where the stages, the GPU nodes and the operands stand."""

from collections.abc import Iterable, Iterator

from oc_gpu.report import stages
from oc_gpu.report.documents import Cluster, GpuNode, Operand, Status, all_passed, stage
from oc_gpu.report.look import Look
from oc_gpu.snapshot.kinds import DaemonSet, Node
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages.model import Assessment

RESOURCE = "nvidia.com/gpu"
_CORDONED = "node.kubernetes.io/unschedulable"


def document(
    about: Cluster,
    assessments: tuple[Assessment, ...],
    snapshot: Snapshot,
    gpu_nodes: Iterable[str],
    operand_namespaces: Iterable[str],
) -> Status:
    """Return the status of a cluster.

    Args:
        about: Which cluster this is.
        assessments: Where the stages stand.
        snapshot: The same moment.
        gpu_nodes: Names of the nodes with GPUs.
        operand_namespaces: Namespaces whose DaemonSets are operands.
    """
    names, spaces = set(gpu_nodes), set(operand_namespaces)
    return Status(
        cluster=about,
        done=all_passed(assessments),
        stages=tuple(stage(assessment) for assessment in assessments),
        nodes=tuple(_node(n) for n in snapshot.nodes if n.metadata.name in names),
        operands=tuple(_operand(d) for d in snapshot.daemon_sets if d.metadata.namespace in spaces),
        simulated=snapshot.simulated,
    )


def _node(node: Node) -> GpuNode:
    labels = node.metadata.labels
    ready = any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
    return GpuNode(
        name=node.metadata.name,
        ready=ready and not node.spec.unschedulable,
        product=labels.get("nvidia.com/gpu.product", ""),
        driver=".".join(_driver(labels)),
        capacity=int(node.status.capacity.get(RESOURCE, "0")),
        allocatable=int(node.status.allocatable.get(RESOURCE, "0")),
        taints=tuple(
            f"{t.key}={t.value}:{t.effect}" if t.value else f"{t.key}:{t.effect}"
            for t in node.spec.taints
            if t.key != _CORDONED
        ),
    )


def _driver(labels: dict[str, str]) -> Iterator[str]:
    for part in ("major", "minor", "rev"):
        value = labels.get(f"nvidia.com/cuda.driver.{part}")
        if value:
            yield value


def _operand(item: DaemonSet) -> Operand:
    return Operand(
        name=item.metadata.name,
        namespace=item.metadata.namespace,
        wanted=item.status.desired_number_scheduled,
        ready=item.status.number_ready,
    )


def text(status: Status, look: Look) -> Iterator[str]:
    """Yield the lines of a status."""
    yield from stages.heading(status.cluster, look, simulated=status.simulated)
    yield from stages.table(status.stages, look)
    yield from stages.hints(status.stages, look)
    yield ""
    yield from _nodes(status.nodes, look)
    yield from _operands(status.operands, look)


def _nodes(nodes: tuple[GpuNode, ...], look: Look) -> Iterator[str]:
    if not nodes:
        yield "No node is known to have an NVIDIA GPU."
        return
    rows = [
        (
            node.name,
            "yes" if node.ready else "no",
            f"{node.allocatable}/{node.capacity}",
            node.product or "-",
            ", ".join(node.taints) or "-",
        )
        for node in nodes
    ]
    yield from look.table(rows, header=("GPU NODE", "READY", "GPUS", "PRODUCT", "TAINTS"))


def _operands(operands: tuple[Operand, ...], look: Look) -> Iterator[str]:
    if not operands:
        return
    yield ""
    rows = [(one.name, f"{one.ready}/{one.wanted}", one.namespace) for one in operands]
    yield from look.table(rows, header=("OPERAND", "READY", "NAMESPACE"))
