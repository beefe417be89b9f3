"""Who manages objects, told by the marks that they leave."""

from functools import cache

from oc_gpu.facts.loading import convert, read
from oc_gpu.facts.model import OwnersFile


@cache
def owners() -> OwnersFile:
    """Return the marks of those who manage objects."""
    return convert(read("owners.yaml"), OwnersFile)
