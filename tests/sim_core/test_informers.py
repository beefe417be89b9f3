"""Caches of the simulator's actors: looking up by an index, without looking at all objects."""

from typing import Any

from oc_gpu.kube import Client
from oc_gpu.kube.resources import PODS
from oc_gpu.sim.actors.informers import Informer
from oc_gpu.sim.actors.objects import by_node
from oc_gpu.sim.actors.signals import Signal


def pod(name: str, version: int, node: str | None = None) -> dict[str, Any]:
    meta = {"name": name, "namespace": "ns", "resourceVersion": str(version), "uid": name}
    return {"metadata": meta, "spec": {"nodeName": node} if node else {}}


def names(cache: Informer, node: str) -> list[str]:
    return [p["metadata"]["name"] for p in cache.lookup(by_node, node)]


def test_index_follows_what_is_added_moved_and_gone() -> None:
    cache = Informer(Client.__new__(Client), PODS, Signal())
    cache.observe(pod("a", 1, "n1"))
    assert names(cache, "n1") == ["a"]
    cache.observe(pod("b", 2))
    assert names(cache, "n1") == ["a"]
    cache.observe(pod("b", 3, "n1"))
    cache.observe(pod("a", 4, "n2"))
    assert (names(cache, "n1"), names(cache, "n2")) == (["b"], ["a"])
    cache.observe(pod("a", 2, "n1"))
    assert names(cache, "n2") == ["a"]
    cache.forget(pod("a", 4, "n2"))
    assert names(cache, "n2") == []
