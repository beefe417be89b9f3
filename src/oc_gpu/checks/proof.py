"""What the checks of `verify` look at: the inputs, and what was collected on each GPU node."""

from msgspec import Struct

from oc_gpu import facts
from oc_gpu.checks.evidence import NodeEvidence
from oc_gpu.checks.hardware import gpu_nodes
from oc_gpu.checks.inputs import Inputs
from oc_gpu.checks.smi import Report, SmiError, parse_xml
from oc_gpu.snapshot.kinds import Node
from oc_gpu.snapshot.model import Snapshot


class Proof(Struct, frozen=True):
    """Inputs and evidence."""

    inputs: Inputs
    evidence: tuple[NodeEvidence, ...] = ()

    @property
    def snapshot(self) -> Snapshot:
        """Return what is known of the cluster."""
        return self.inputs.snapshot

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Return every node that has a GPU by any sign: whatever says so, it has to be proven."""
        present = facts.gpu_labels().present
        named = {*gpu_nodes(self.inputs), *(item.node for item in self.evidence)}
        return tuple(
            node
            for node in self.snapshot.nodes
            if node.metadata.name in named
            or offered(node)
            or node.metadata.labels.get(present) == "true"
        )

    def of(self, node: str) -> NodeEvidence:
        """Return what was collected on a node; without anything, evidence that lacks all parts."""
        found = (item for item in self.evidence if item.node == node)
        return next(found, NodeEvidence(node=node))

    def seen(self, node: str) -> Report | None:
        """Return what nvidia-smi sees on a node, None when that is not known."""
        text = self.of(node).smi_xml
        try:
            return parse_xml(text) if text else None
        except SmiError:
            return None


def offered(node: Node) -> int:
    """Return how many GPUs, shared GPUs and MIG devices a node offers to pods."""
    return sum(node.devices.values())
