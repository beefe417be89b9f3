"""How many names are told as few words."""

from collections.abc import Iterable, Sequence

from oc_gpu.snapshot.kinds import Node

SHOWN = 3


def names_of(nodes: Iterable[Node]) -> tuple[str, ...]:
    """Return the names of nodes."""
    return tuple(node.metadata.name for node in nodes)


def named(names: Sequence[str], shown: int = SHOWN) -> str:
    """Return names as a list for a sentence: the first few, and how many more there are.

    >>> named(["gpu-0", "gpu-1", "gpu-2", "gpu-3", "gpu-4"])
    'gpu-0, gpu-1, gpu-2 and 2 more'
    """
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
