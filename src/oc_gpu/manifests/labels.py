"""Labels of everything that we make."""

from collections.abc import Mapping

MANAGED_BY = "app.kubernetes.io/managed-by"
PART_OF = "app.kubernetes.io/part-of"
STAGE = "oc-gpu.io/stage"
PROOF = "oc-gpu.io/proof"
"""On pods whose log is a proof; the value says of what."""
TAINT = "oc-gpu.io/taint"
"""Annotation of a node: the taint that we set on it, as `key=value:Effect`."""
LAYOUT = "oc-gpu.io/mig-layout"
"""Annotation of a node: the layout of MIG devices that was asked for before us, empty for none."""
NAME = "oc-gpu"


def labels(stage: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the labels of an object of a stage, with those of its own."""
    return {**(more or {}), MANAGED_BY: NAME, PART_OF: NAME, STAGE: stage}
