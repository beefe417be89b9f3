"""What follows from one object alone, worked out once: between looks most objects do not change.

A live view hands out the same object until the cluster tells a new one, so that what is kept with
an object is never out of date. On thousands of nodes that is most of what a look costs.
"""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def kept(rule: Callable[[T], R]) -> Callable[[T], R]:
    """Return a rule about one object whose answers are kept with the object.

    Args:
        rule: A function of a module. It tells the same of an object whenever it is asked, and
            changes nothing: it depends on the object, on facts and on constants alone. Objects are
            immutable and have a `__dict__`, as nodes and pods (`oc_gpu.snapshot.kinds`).
    """
    name = f"{rule.__module__}.{rule.__qualname__}"

    @wraps(rule)
    def told(item: T) -> R:
        held: dict[str, R] = item.__dict__
        try:
            return held[name]
        except KeyError:
            found = held[name] = rule(item)
            return found

    return told
