"""Caches that an actor only looks into."""

from oc_gpu.kube import RawObject, Resource
from oc_gpu.sim.actors.framework import Watch


def reads(*resources: Resource) -> tuple[Watch, ...]:
    """Return watches that fill caches and mean no work."""
    return tuple(Watch(resource, _nothing) for resource in resources)


def _nothing(_obj: RawObject) -> tuple[()]:
    return ()
