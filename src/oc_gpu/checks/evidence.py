"""What `verify` collects on each GPU node, as it was printed; `oc_gpu.checks.verify` judges it."""

from typing import Literal

from msgspec import Struct

from oc_gpu.snapshot.kinds import GPU

Part = Literal["nvidia-smi", "sample", "stay-off"]


class Miss(Struct, frozen=True):
    """A part of the evidence that could not be collected, and why (one clause)."""

    part: Part
    why: str


class Sample(Struct, frozen=True):
    """How a CUDA sample pod of one node ended.

    Attributes:
        pod: `namespace/name`.
        resource: What it asked for: a GPU, or a part of one.
        node: Node that the pod ran on, as its spec says; empty when it was never placed.
        phase: Phase of the pod in the end.
        image_id: `imageID` of its container status: what really ran.
        log: All that it printed. It names the device (`nvidia-smi -L`) and ends with the sample.
        message: Why it did not run, from its conditions or container state.
        holders: Pods that hold the node's GPUs while it waits for one, as `namespace/name (count)`.
        unread: Why its log may not be read, empty when it may.
    """

    pod: str
    resource: str = GPU
    node: str = ""
    phase: str = ""
    image_id: str = ""
    log: str = ""
    message: str = ""
    holders: tuple[str, ...] = ()
    unread: str = ""


class StayOff(Struct, frozen=True):
    """What became of a pod that asks for no GPU and may run on one GPU node only.

    Attributes:
        pod: `namespace/name`.
        placed_on: Node that it was placed on after all; empty when it stayed off.
        message: The scheduler's message, from the condition `PodScheduled`.
    """

    pod: str
    placed_on: str = ""
    message: str = ""


class NodeEvidence(Struct, frozen=True, kw_only=True):
    """Everything that was collected on one GPU node.

    Attributes:
        node: Name of the node.
        driver_pod: `namespace/name` of the pod in which nvidia-smi was run.
        container: Container of that pod, which differs between releases of the operator.
        smi_xml: Output of `nvidia-smi -q -x`.
        smi_table: Output of `nvidia-smi`.
        smi_list: Output of `nvidia-smi -L`, which alone names parts of cards.
        samples: CUDA samples, one for each kind of device that the node offers.
        stay_off: The pod without GPU request, None when the node has no taint to test.
        misses: What could not be collected.
    """

    node: str
    driver_pod: str = ""
    container: str = ""
    smi_xml: str = ""
    smi_table: str = ""
    smi_list: str = ""
    samples: tuple[Sample, ...] = ()
    stay_off: StayOff | None = None
    misses: tuple[Miss, ...] = ()

    def miss(self, part: Part) -> str | None:
        """Return why a part is missing, None when nothing was said about it."""
        return next((miss.why for miss in self.misses if miss.part == part), None)
