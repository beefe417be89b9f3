"""OperatorGroups: their target namespaces, their roles, what their operators provide."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import CLUSTER_ROLES, CSVS, OPERATOR_GROUPS
from oc_gpu.sim.actors.framework import Controller, Key, Watch
from oc_gpu.sim.actors.objects import (
    annotations_of,
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
    timestamp,
)
from oc_gpu.sim.actors.olm_names import group_roles
from oc_gpu.sim.actors.olm_resolve import target_namespaces
from oc_gpu.sim.actors.reading import reads

_PROVIDED = "olm.providedAPIs"


class OperatorGroups(Controller):
    """The OLM operator's part for OperatorGroups."""

    name = "operator-lifecycle-manager-groups"

    def watches(self) -> Sequence[Watch]:
        """Return OperatorGroups, and CSVs for the groups of their namespaces."""
        return (Watch(OPERATOR_GROUPS), Watch(CSVS, self._groups_of), *reads(CLUSTER_ROLES))

    def _groups_of(self, csv: RawObject) -> Iterable[Hashable]:
        if "olm.copiedFrom" not in labels_of(csv):
            yield from map(Key.of, self.cache(OPERATOR_GROUPS).list(namespace_of(csv)))

    async def reconcile(self, key: Any) -> None:
        """Report the namespaces of a group and make its roles; they stay when it goes."""
        group = self.cache(OPERATOR_GROUPS).get(key.name, key.namespace)
        if group is None or is_terminating(group):
            return
        names = target_namespaces(group)
        if (group.get("status") or {}).get("namespaces") != names:
            moment = timestamp(self.clock.now())
            status = {"lastUpdated": moment, "namespaces": names}
            group = await self.context.patch_status(OPERATOR_GROUPS, group, status)
        for role in group_roles(group, self.scenario.openshift.minor):
            if self.cache(CLUSTER_ROLES).get(name_of(role)) is None:
                await self.context.create(CLUSTER_ROLES, role)
        await self._provide(group)

    async def _provide(self, group: RawObject) -> None:
        """Write the kinds that the operators of the namespace bring along."""
        csvs = self.cache(CSVS).list(namespace_of(group))
        kinds = {
            f"{o['kind']}.{o['version']}.{o['name'].partition('.')[2]}"
            for csv in csvs
            if "olm.copiedFrom" not in labels_of(csv)
            and not is_terminating(csv)
            and annotations_of(csv).get("olm.operatorGroup") == name_of(group)
            for o in csv["spec"]["customresourcedefinitions"]["owned"]
        }
        text = ",".join(sorted(kinds))
        if annotations_of(group).get(_PROVIDED, "") == text:
            return
        others = {k: v for k, v in annotations_of(group).items() if k != _PROVIDED}
        notes = {_PROVIDED: text} if text else {_PROVIDED: None} if others else None
        await self.context.patch(OPERATOR_GROUPS, group, {"metadata": {"annotations": notes}})
