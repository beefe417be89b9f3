"""The disruption controller: how many pods a budget lets go."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import PODS
from oc_gpu.sim.actors.eviction import BUDGETS
from oc_gpu.sim.actors.framework import Controller, Key, Watch
from oc_gpu.sim.actors.objects import is_terminating, labels_of, matches, namespace_of
from oc_gpu.sim.actors.podsets import active, is_ready


class Disruptions(Controller):
    """Counts the pods of each PodDisruptionBudget."""

    name = "disruption-controller"

    def watches(self) -> Sequence[Watch]:
        """Return budgets, and pods for the budgets of their namespaces."""
        return (Watch(BUDGETS), Watch(PODS, self._beside))

    def _beside(self, pod: RawObject) -> Iterable[Hashable]:
        return map(Key.of, self.cache(BUDGETS).list(namespace_of(pod)))

    async def reconcile(self, key: Any) -> None:
        """Write how many pods there are, how many are well, and how many may go."""
        budget = self.cache(BUDGETS).get(key.name, key.namespace)
        if budget is None or is_terminating(budget):
            return
        selector = budget["spec"].get("selector")
        mine = [p for p in self.cache(PODS).list(key.namespace) if matches(selector, labels_of(p))]
        pods = active(mine)
        healthy, needed = sum(map(is_ready, pods)), _needed(budget["spec"], len(pods))
        status = {
            "expectedPods": len(pods),
            "currentHealthy": healthy,
            "desiredHealthy": needed,
            "disruptionsAllowed": max(0, healthy - needed),
            "observedGeneration": budget["metadata"].get("generation", 1),
        }
        await self.context.patch_status(BUDGETS, budget, status)


def _needed(spec: RawObject, count: int) -> int:
    if "maxUnavailable" in spec:
        return count - _number(spec["maxUnavailable"], count)
    return _number(spec.get("minAvailable", 1), count)


def _number(value: Any, count: int) -> int:
    """Return a number of pods, given as such or in percent, which is rounded up."""
    text = str(value)
    return -(-count * int(text[:-1]) // 100) if text.endswith("%") else int(text)
