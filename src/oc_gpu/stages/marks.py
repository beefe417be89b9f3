"""The mark on a node that tells which of its taints is ours.

The taint and its mark are set and taken in one write, so that neither is ever there without the
other, and no record is needed to tell our taint from somebody else's.
"""

from oc_gpu.kube.errors import UsageError
from oc_gpu.manifests.labels import TAINT
from oc_gpu.snapshot.kinds import Node, Taint
from oc_gpu.stages import tolerations


def of(node: Node) -> Taint | None:
    """Return the taint that we set on a node, None when we set none or the mark says nonsense."""
    text = node.metadata.annotations.get(TAINT)
    if text is None:
        return None
    try:
        return tolerations.parse(text)
    except UsageError:
        return None


def is_marked(node: Node) -> bool:
    """Tell whether a node carries the mark, whatever it says."""
    return TAINT in node.metadata.annotations
