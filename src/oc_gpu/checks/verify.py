"""The checks after the road: proof on each GPU node that pods compute there, and others stay off.

`rollout.proof` collects the evidence; here it is judged. For a proof, `unknown` is not good enough:
take `catalogue.exit_code(findings, proof=True)`.
"""

from collections.abc import Iterable

from oc_gpu.checks import computing, hardware, labels, operands
from oc_gpu.checks.catalogue import Check, run_all
from oc_gpu.checks.evidence import Miss, NodeEvidence, Sample, StayOff
from oc_gpu.checks.inputs import Inputs
from oc_gpu.checks.model import Finding
from oc_gpu.checks.proof import Proof

__all__ = ["CHECKS", "Miss", "NodeEvidence", "Sample", "StayOff", "judge"]

CHECKS: tuple[Check[Proof], ...] = (
    labels.NFD_LABELS,
    labels.GPU_LABELS,
    computing.SMI,
    computing.LICENCES,
    operands.OPERANDS,
    operands.CLUSTER_POLICY,
    labels.ALLOCATABLE,
    computing.STAY_OFF,
    computing.SAMPLE,
)
"""All of them, in causal order."""


def judge(inputs: Inputs, evidence: Iterable[NodeEvidence]) -> tuple[Finding, ...]:
    """Return what the evidence proves and what it does not.

    Args:
        inputs: The cluster after the evidence was collected.
        evidence: One value for each GPU node.
    """
    proof = Proof(inputs, tuple(evidence))
    return (*run_all((hardware.GPU_NODES,), inputs), *run_all(CHECKS, proof))
