"""`status`: where the stages, the GPU nodes and the operands stand."""

from collections.abc import Iterator

from oc_gpu.report import alike, stages
from oc_gpu.report.documents import GpuNode, Operand, Status, all_passed, cluster, stage
from oc_gpu.report.look import Look
from oc_gpu.rollout.survey import Survey
from oc_gpu.snapshot.kinds import DaemonSet, Node, is_gpu

_COLUMNS = ("READY", "GPUS", "PRODUCT", "TAINTS")
_CORDONED = "node.kubernetes.io/unschedulable"


def document(found: Survey) -> Status:
    """Return the status that a survey shows."""
    platform, snapshot = found.context.platform, found.snapshot
    spaces = {platform.nfd_namespace, platform.operand_namespace}
    return Status(
        cluster=cluster(snapshot, platform.version),
        done=all_passed(found.assessments),
        stages=tuple(stage(assessment) for assessment in found.assessments),
        nodes=tuple(map(_node, platform.gpu_nodes)),
        operands=tuple(_operand(d) for d in snapshot.daemon_sets if d.metadata.namespace in spaces),
        simulated=snapshot.simulated,
    )


def exit_code(status: Status) -> int:
    """Return 1 when a stage failed or waits for somebody's decision."""
    return int(any(stage.state in stages.STUCK for stage in status.stages))


def _node(node: Node) -> GpuNode:
    labels = node.metadata.labels
    return GpuNode(
        name=node.metadata.name,
        ready=node.is_ready and not node.spec.unschedulable,
        product=labels.get("nvidia.com/gpu.product", ""),
        driver=".".join(_driver(labels)),
        capacity=sum(int(count) for name, count in node.status.capacity.items() if is_gpu(name)),
        allocatable=sum(node.devices.values()),
        taints=tuple(str(taint) for taint in node.spec.taints if taint.key != _CORDONED),
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


def text(status: Status, look: Look, *, verbose: int = 0) -> Iterator[str]:
    """Yield the lines of a status; a line for each of many nodes only when asked for."""
    yield from stages.heading(status.cluster, look, simulated=status.simulated)
    yield from stages.table(status.stages, look)
    yield from stages.hints(status.stages, look)
    yield ""
    yield from _nodes(status.nodes, look, verbose=verbose)
    yield from _operands(status.operands, look)


def _nodes(nodes: tuple[GpuNode, ...], look: Look, *, verbose: int) -> Iterator[str]:
    if not nodes:
        yield "No node is known to have an NVIDIA GPU."
        return
    groups = [[node] for node in nodes] if verbose else alike.groups(nodes, _columns, _badness)
    rows = [(_name(group), *_columns(group[0])) for group in groups]
    yield from look.table(rows, header=("GPU NODE", *_COLUMNS))


def _badness(node: GpuNode) -> int:
    """Return 0 for a node that takes no pods, 1 for one that offers less than it has, else 2."""
    return 0 if not node.ready else 1 if node.allocatable < node.capacity else 2


def _name(group: list[GpuNode]) -> str:
    name = group[0].name
    return name if len(group) == 1 else alike.like(len(group), "Node", name)


def _columns(node: GpuNode) -> tuple[str, ...]:
    return (
        "yes" if node.ready else "no",
        f"{node.allocatable}/{node.capacity}",
        node.product or "-",
        ", ".join(node.taints) or "-",
    )


def _operands(operands: tuple[Operand, ...], look: Look) -> Iterator[str]:
    if not operands:
        return
    yield ""
    rows = [(one.name, f"{one.ready}/{one.wanted}", one.namespace) for one in operands]
    yield from look.table(rows, header=("OPERAND", "READY", "NAMESPACE"))
