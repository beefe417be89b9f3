"""ClusterServiceVersions: from Pending to Succeeded, and the cleaning up after them."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CRDS,
    CSVS,
    DEPLOYMENTS,
    NAMESPACES,
    OPERATOR_GROUPS,
    PROXIES,
    SERVICE_ACCOUNTS,
    SUBSCRIPTIONS,
)
from oc_gpu.sim import bundles
from oc_gpu.sim.actors.framework import Controller, EventSource, Key, Watch
from oc_gpu.sim.actors.objects import (
    annotations_of,
    condition,
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
    timestamp,
)
from oc_gpu.sim.actors.olm_deployment import deployments
from oc_gpu.sim.actors.olm_names import crd_roles
from oc_gpu.sim.actors.olm_requirements import account_requirement, crd_requirement
from oc_gpu.sim.actors.olm_resolve import Target, target_of
from oc_gpu.sim.actors.reading import reads
from oc_gpu.sim.bundles import Bundle

_SOURCE = EventSource("operator-lifecycle-manager")
_COPIED = "olm.copiedFrom"
_SPEC_HASH = "olm.deployment-spec-hash"
_PENDING, _READY, _INSTALLING = "Pending", "InstallReady", "Installing"
_SUCCEEDED, _FAILED = "Succeeded", "Failed"
_WORDS = {
    "RequirementsUnknown": "requirements not yet checked",
    "RequirementsNotMet": "one or more requirements couldn't be found",
    "AllRequirementsMet": "all requirements found, attempting install",
}
_WAITING = "waiting for install components to report healthy"
_DONE = "install strategy completed with no errors"


class ClusterServiceVersions(Controller):
    """The OLM operator's part for CSVs."""

    name = "operator-lifecycle-manager"
    concurrency = 8

    def watches(self) -> Sequence[Watch]:
        """Return CSVs, and what their phases depend on."""
        return (
            Watch(CSVS),
            Watch(DEPLOYMENTS, _owner),
            Watch(SERVICE_ACCOUNTS, _owner),
            Watch(CRDS, lambda _crd: self._originals()),
            Watch(OPERATOR_GROUPS, lambda g: self._originals(namespace_of(g))),
            Watch(NAMESPACES, lambda _n: self._originals()),
            Watch(PROXIES, lambda _p: self._originals()),
            *reads(CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, SUBSCRIPTIONS),
        )

    def _originals(self, namespace: str | None = None) -> Iterable[Hashable]:
        for csv in self.cache(CSVS).list(namespace):
            if _COPIED not in labels_of(csv):
                yield Key.of(csv)

    async def reconcile(self, key: Any) -> None:
        """Bring a CSV one step on; its own change brings the next."""
        csv = self.cache(CSVS).get(key.name, key.namespace)
        if csv is None:
            return
        if is_terminating(csv):
            await self._clean_up(csv)
            return
        if _COPIED in labels_of(csv):
            if self.cache(CSVS).get(key.name, labels_of(csv)[_COPIED]) is None:
                await self._drop_copy(csv)
            return
        bundle = bundles.by_csv(self.scenario, key.name)
        if bundle is not None:
            await self._step(csv, bundle)

    async def _step(self, csv: RawObject, bundle: Bundle) -> None:
        phase = (csv.get("status") or {}).get("phase", "")
        if not phase:
            await self._move(csv, _PENDING, "RequirementsUnknown")
            return
        groups = self.cache(OPERATOR_GROUPS).list()
        target = target_of(bundle, namespace_of(csv) or "", groups)
        if target.reason:
            await self._move(csv, _FAILED, target.reason, target.message)
            return
        csv = await self._annotate(csv, target, groups)
        await self._copy(csv, target)
        reason = csv["status"].get("reason", "")
        if phase == _PENDING:
            needs = self._requirements(csv, bundle)
            met = all(r["status"] == "Present" for r in needs)
            new = (_READY, "AllRequirementsMet") if met else (_PENDING, "RequirementsNotMet")
            await self._move(csv, *new, requirements=needs)
        elif phase == _READY:
            await self._install(csv, bundle)
            await self._move(csv, _INSTALLING, "InstallSucceeded", _WAITING)
        elif phase == _FAILED and reason != "ComponentUnhealthy":
            await self._move(csv, _PENDING, "RequirementsUnknown")
        else:
            await self._install(csv, bundle)
            await self._watch_over(csv, phase)

    async def _annotate(
        self, csv: RawObject, target: Target, groups: Sequence[RawObject]
    ) -> RawObject:
        """Write which OperatorGroup the CSV is in, and what the group now provides."""
        namespace = namespace_of(csv)
        group = next(g for g in groups if namespace_of(g) == namespace)
        notes = {
            "olm.operatorGroup": name_of(group),
            "olm.operatorNamespace": namespace or "",
            "olm.targetNamespaces": ",".join(target.namespaces),
        }
        if notes.items() <= annotations_of(csv).items():
            return csv
        return await self.context.patch(CSVS, csv, {"metadata": {"annotations": notes}})

    def _requirements(self, csv: RawObject, bundle: Bundle) -> list[RawObject]:
        """Return the kinds and accounts that the operator needs, and whether they are there."""
        crds = {o: self.cache(CRDS).get(o.name) for o in bundle.owned}
        accounts = sorted(_accounts(csv))
        found = {a: self.cache(SERVICE_ACCOUNTS).get(a, namespace_of(csv)) for a in accounts}
        return [
            *(crd_requirement(owned, crd) for owned, crd in crds.items()),
            *(account_requirement(name, obj) for name, obj in found.items()),
        ]

    async def _install(self, csv: RawObject, bundle: Bundle) -> None:
        """Create the Deployments and the roles for the operator's kinds, where missing."""
        proxy = self.cache(PROXIES).get("cluster")
        wanted = deployments(csv, self._subscription(csv), proxy, self.scenario.openshift.minor)
        for deployment in wanted:
            await self._apply(deployment)
        for owned in bundle.owned:
            for role in crd_roles(owned, bundle):
                if self.cache(CLUSTER_ROLES).get(name_of(role)) is None:
                    await self.context.create(CLUSTER_ROLES, role)

    async def _apply(self, wanted: RawObject) -> None:
        namespace = namespace_of(wanted)
        found = self.cache(DEPLOYMENTS).get(name_of(wanted), namespace)
        if found is None:
            await self.context.create(DEPLOYMENTS, wanted, namespace)
        elif labels_of(found).get(_SPEC_HASH) != labels_of(wanted)[_SPEC_HASH]:
            change = {"metadata": {"labels": labels_of(wanted)}, "spec": wanted["spec"]}
            await self.context.patch(DEPLOYMENTS, found, change)

    def _subscription(self, csv: RawObject) -> RawObject | None:
        name = name_of(csv)
        for subscription in self.cache(SUBSCRIPTIONS).list(namespace_of(csv)):
            if name in (subscription.get("status") or {}).values():
                return subscription
        return None

    async def _watch_over(self, csv: RawObject, phase: str) -> None:
        """Follow the health of the Deployments."""
        waiting = self._waiting_for(csv)
        if not waiting:
            await self._move(csv, _SUCCEEDED, "InstallSucceeded", _DONE)
        elif phase == _INSTALLING:
            await self._move(csv, _INSTALLING, "InstallWaiting", waiting)
        else:
            await self._move(csv, _FAILED, "ComponentUnhealthy", waiting)

    def _waiting_for(self, csv: RawObject) -> str:
        for entry in csv["spec"]["install"]["spec"]["deployments"]:
            name = entry["name"]
            found = self.cache(DEPLOYMENTS).get(name, namespace_of(csv))
            available = condition(found, "Available") if found else None
            if available is None or available["status"] != "True":
                what = (available or {}).get("message") or "Deployment is not observed yet"
                return (
                    f"installing: waiting for deployment {name} to become ready: "
                    f'deployment "{name}" not available: {what}'
                )
        return ""

    async def _move(
        self,
        csv: RawObject,
        phase: str,
        reason: str,
        message: str = "",
        *,
        requirements: Sequence[RawObject] = (),
    ) -> None:
        """Write a phase, unless the CSV is there already."""
        status = csv.get("status") or {}
        text = message or _WORDS[reason]
        if (status.get("phase"), status.get("reason"), status.get("message")) == (
            phase,
            reason,
            text,
        ):
            return
        moment = timestamp(self.clock.now())
        entry = {"phase": phase, "reason": reason, "message": text}
        times = {"lastTransitionTime": moment, "lastUpdateTime": moment}
        conditions = [*(status.get("conditions") or []), {**entry, **times}]
        change = {**entry, **times, "conditions": conditions}
        if requirements:
            change["requirementStatus"] = list(requirements)
        await self.context.patch_status(CSVS, csv, change)
        await self.context.event(csv, reason, text, source=_SOURCE)

    # --- AllNamespaces: a copy everywhere ------------------------------------------------------

    async def _copy(self, csv: RawObject, target: Target) -> None:
        """Show an operator that watches all namespaces in each of them."""
        status = csv.get("status") or {}
        if target.namespaces != ("",) or status.get("phase") != _SUCCEEDED:
            return
        home = namespace_of(csv) or ""
        for namespace in sorted(self.cache(NAMESPACES).list(), key=name_of):
            name = name_of(namespace)
            known = self.cache(CSVS).get(name_of(csv), name)
            if name != home and known is None and not is_terminating(namespace):
                await self._create_copy(csv, name, home)

    async def _create_copy(self, csv: RawObject, namespace: str, home: str) -> None:
        labels = {**labels_of(csv), _COPIED: home}
        meta = {
            "name": name_of(csv),
            "namespace": namespace,
            "labels": labels,
            "annotations": annotations_of(csv),
        }
        copy = {"apiVersion": csv["apiVersion"], "kind": csv["kind"], "metadata": meta}
        made = await self.context.create(CSVS, {**copy, "spec": csv["spec"]}, namespace)
        text = f"The operator is running in {home} but is managing this namespace"
        status = {**csv["status"], "reason": "Copied", "message": text}
        await self.context.patch_status(CSVS, made, status)

    # --- deletion ------------------------------------------------------------------------------

    async def _clean_up(self, csv: RawObject) -> None:
        """Remove what the garbage collector cannot: cluster-scoped roles and copies."""
        if not csv["metadata"].get("finalizers"):
            return
        owner = {"olm.owner": name_of(csv), "olm.owner.namespace": namespace_of(csv) or ""}
        for resource in (CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES):
            for obj in self.cache(resource).list():
                if owner.items() <= labels_of(obj).items():
                    await self.context.delete(resource, obj)
        for copy in self.cache(CSVS).list():
            copied = labels_of(copy).get(_COPIED)
            if copied == namespace_of(csv) and name_of(copy) == name_of(csv):
                await self.context.delete(CSVS, copy)
        await self.context.patch(CSVS, csv, {"metadata": {"finalizers": None}})
        await self.context.refresh(CSVS, csv)

    async def _drop_copy(self, csv: RawObject) -> None:
        await self.context.delete(CSVS, csv)


def _accounts(csv: RawObject) -> set[str]:
    install = csv["spec"]["install"]["spec"]
    entries = [*(install.get("clusterPermissions") or []), *(install.get("permissions") or [])]
    return {e["serviceAccountName"] for e in entries}


def _owner(obj: RawObject) -> Iterable[Hashable]:
    """Return the CSV that an object belongs to."""
    labels = labels_of(obj)
    if labels.get("olm.owner.kind") == "ClusterServiceVersion":
        yield Key(labels.get("olm.owner.namespace"), labels["olm.owner"])
