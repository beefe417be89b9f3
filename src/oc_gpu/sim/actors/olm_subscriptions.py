"""Subscriptions: resolved together per namespace into one InstallPlan, then followed to its end."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import (
    CATALOG_SOURCES,
    CRDS,
    CSVS,
    DEPLOYMENTS,
    INSTALL_PLANS,
    OPERATOR_GROUPS,
    OPERATORS,
    SUBSCRIPTIONS,
)
from oc_gpu.sim.actors.framework import Controller, Watch
from oc_gpu.sim.actors.objects import (
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
    timestamp,
    with_condition,
)
from oc_gpu.sim.actors.olm_names import OPERATORS_SINCE, component, component_labels
from oc_gpu.sim.actors.olm_resolve import (
    AUTOMATIC,
    CatalogDownError,
    Choice,
    ResolutionError,
    approval_of,
    resolve,
)
from oc_gpu.sim.actors.reading import reads

_ONE_GROUP_SINCE = (4, 14)
_HEALTHY = "all available catalogsources are healthy"


class Subscriptions(Controller):
    """The catalog operator's part for Subscriptions; its keys are namespaces."""

    name = "catalog-operator-subscriptions"

    def watches(self) -> Sequence[Watch]:
        """Return Subscriptions, InstallPlans and OperatorGroups."""
        return (
            Watch(SUBSCRIPTIONS, _namespace),
            Watch(INSTALL_PLANS, _namespace),
            Watch(OPERATOR_GROUPS, _namespace),
            *reads(CATALOG_SOURCES, OPERATORS),
        )

    async def reconcile(self, key: Any) -> None:
        """Resolve what is new in a namespace, and report how far the rest is."""
        for subscription in self._of(key):
            await self._greet(subscription)
        if any(not _current(s) for s in self._of(key)) and self._is_resolved(key):
            await self.clock.sleep(self.scenario.latencies.resolve)
            await self._resolve(key)
        for subscription in self._of(key):
            if _current(subscription):
                await self._follow(subscription)

    def _is_resolved(self, namespace: str) -> bool:
        """Tell whether a namespace is resolved; where it is not, only OLM's log tells why.

        Releases before leave it to the InstallPlan to ask for one OperatorGroup.
        """
        before = self.scenario.openshift.minor < _ONE_GROUP_SINCE
        return before or len(self.cache(OPERATOR_GROUPS).list(namespace)) == 1

    def _of(self, namespace: str) -> list[RawObject]:
        mine = self.cache(SUBSCRIPTIONS).list(namespace)
        return sorted((s for s in mine if not is_terminating(s)), key=name_of)

    async def _greet(self, subscription: RawObject) -> None:
        """Label a new Subscription, make its Operator object, and say that catalogs are well."""
        namespace = namespace_of(subscription) or ""
        package = subscription["spec"]["name"]
        minor = self.scenario.openshift.minor
        labels = component_labels(package, namespace, minor)
        if not labels.items() <= labels_of(subscription).items():
            change = {"metadata": {"labels": labels}}
            subscription = await self.context.patch(SUBSCRIPTIONS, subscription, change)
        name = component(package, namespace)
        if minor >= OPERATORS_SINCE and self.cache(OPERATORS).get(name) is None:
            await self.context.create(OPERATORS, _operator(name))
        if not (subscription.get("status") or {}).get("catalogHealth"):
            now = self.clock.now()
            condition = {
                "type": "CatalogSourcesUnhealthy",
                "status": "False",
                "reason": "AllCatalogSourcesHealthy",
                "message": _HEALTHY,
            }
            status = {
                "catalogHealth": self._health(now),
                "conditions": with_condition([], condition, now),
                "lastUpdated": timestamp(now),
            }
            await self.context.patch_status(SUBSCRIPTIONS, subscription, status)

    def _health(self, now: float) -> list[RawObject]:
        return [
            {
                "catalogSourceRef": _reference(source),
                "healthy": bool((source.get("status") or {}).get("connectionState")),
                "lastUpdated": timestamp(now),
            }
            for source in sorted(self.cache(CATALOG_SOURCES).list(), key=name_of)
        ]

    async def _resolve(self, namespace: str) -> None:
        """Make one InstallPlan for all Subscriptions; one that cannot be met blocks them all."""
        fresh = [s for s in self._of(namespace) if not _current(s)]
        problems: list[tuple[str, str]] = []
        choices: list[Choice] = []
        for subscription in fresh:
            try:
                choices.append(resolve(self.scenario, subscription))
            except ResolutionError as error:
                down = isinstance(error, CatalogDownError)
                reason = "ErrorPreventedResolution" if down else "ConstraintsNotSatisfiable"
                problems.append((reason, str(error)))
        if problems:
            for subscription in fresh:
                await self._condition(subscription, "ResolutionFailed", *problems[0])
            return
        if choices:
            await self._plan(namespace, choices)

    async def _plan(self, namespace: str, choices: Sequence[Choice]) -> None:
        plan = self._existing_plan(namespace, choices)
        if plan is None:
            wanted = _install_plan(choices, self.scenario.openshift.minor)
            plan = await self.context.create(INSTALL_PLANS, wanted, namespace)
        reference = {**_reference(plan), "resourceVersion": plan["metadata"]["resourceVersion"]}
        for choice in choices:
            current = self.cache(SUBSCRIPTIONS).get(name_of(choice.subscription), namespace)
            if current is None:
                continue
            status = {
                "state": "UpgradePending",
                "currentCSV": choice.bundle.name,
                "installPlanGeneration": 1,
                "installPlanRef": reference,
                "installplan": {
                    "apiVersion": plan["apiVersion"],
                    "kind": plan["kind"],
                    "name": name_of(plan),
                    "uuid": plan["metadata"]["uid"],
                },
                "lastUpdated": timestamp(self.clock.now()),
                "conditions": _without(current, "ResolutionFailed"),
            }
            await self.context.patch_status(SUBSCRIPTIONS, current, status)

    def _existing_plan(self, namespace: str, choices: Sequence[Choice]) -> RawObject | None:
        """Return the plan that was made already, if this actor was cut off after making it."""
        owners = {c.subscription["metadata"]["uid"] for c in choices}
        for plan in self.cache(INSTALL_PLANS).list(namespace):
            references = plan["metadata"].get("ownerReferences") or []
            if owners <= {r["uid"] for r in references}:
                return plan
        return None

    async def _follow(self, subscription: RawObject) -> None:
        """Carry the state of the InstallPlan over to its Subscription."""
        status = subscription["status"]
        name = (status.get("installPlanRef") or {}).get("name", "")
        plan = self.cache(INSTALL_PLANS).get(name, namespace_of(subscription))
        phase = ((plan or {}).get("status") or {}).get("phase", "")
        if phase == "Complete" and status.get("state") != "AtLatestKnown":
            change = {
                "state": "AtLatestKnown",
                "installedCSV": status["currentCSV"],
                "lastUpdated": timestamp(self.clock.now()),
                "conditions": _without(subscription, "InstallPlanPending"),
            }
            await self.context.patch_status(SUBSCRIPTIONS, subscription, change)
        elif phase in {"RequiresApproval", "Installing"} and status["state"] != "AtLatestKnown":
            await self._condition(subscription, "InstallPlanPending", phase, "")
        elif phase == "Failed":
            text = ((plan or {})["status"].get("conditions") or [{}])[0].get("message", "")
            await self._condition(subscription, "InstallPlanFailed", "InstallComponentFailed", text)

    async def _condition(
        self, subscription: RawObject, kind: str, reason: str, message: str
    ) -> None:
        entry = {"type": kind, "status": "True", "reason": reason}
        entry |= {"message": message} if message else {}
        before = (subscription.get("status") or {}).get("conditions")
        conditions = with_condition(before, entry, self.clock.now())
        await self.context.patch_status(SUBSCRIPTIONS, subscription, {"conditions": conditions})


class OperatorObjects(Controller):
    """Keeps in each Operator object the list of what belongs to the installation."""

    name = "operator-lifecycle-manager-operators"

    def watches(self) -> Sequence[Watch]:
        """Return CSVs and CRDs: their changes are the moments at which the list is worth a look."""
        return (
            Watch(CSVS, self._operators),
            Watch(CRDS, self._operators),
            Watch(OPERATORS, lambda o: (name_of(o),)),
            *reads(DEPLOYMENTS, INSTALL_PLANS, SUBSCRIPTIONS),
        )

    def _operators(self, part: RawObject) -> Iterable[Hashable]:
        prefix = "operators.coreos.com/"
        if "olm.copiedFrom" not in labels_of(part):
            yield from (k.removeprefix(prefix) for k in labels_of(part) if k.startswith(prefix))

    async def reconcile(self, key: Any) -> None:
        """List what is there of an installation; one that was deleted too early comes back."""
        operator = self.cache(OPERATORS).get(key)
        label = f"operators.coreos.com/{key}"
        found = [
            _component(obj)
            for resource in (CSVS, CRDS, DEPLOYMENTS, INSTALL_PLANS, SUBSCRIPTIONS)
            for obj in sorted(self.cache(resource).list(), key=name_of)
            if label in labels_of(obj) and "olm.copiedFrom" not in labels_of(obj)
        ]
        if operator is None and found:
            operator = await self.context.create(OPERATORS, _operator(key))
        if operator is None:
            return
        selector = {"matchExpressions": [{"key": label, "operator": "Exists"}]}
        components = {"labelSelector": selector, "refs": found}
        await self.context.patch_status(OPERATORS, operator, {"components": components})


def _component(obj: RawObject) -> RawObject:
    reference = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": name_of(obj)}
    namespace = namespace_of(obj)
    return reference | ({"namespace": namespace} if namespace else {})


def _operator(name: str) -> RawObject:
    return {
        "apiVersion": OPERATORS.api_version,
        "kind": OPERATORS.kind,
        "metadata": {"name": name},
        "spec": {},
    }


def _install_plan(choices: Sequence[Choice], minor: tuple[int, int]) -> RawObject:
    labels: dict[str, str] = {}
    for choice in choices:
        namespace = namespace_of(choice.subscription) or ""
        labels |= component_labels(choice.bundle.package, namespace, minor)
    approval = approval_of(choices)
    return {
        "apiVersion": INSTALL_PLANS.api_version,
        "kind": INSTALL_PLANS.kind,
        "metadata": {
            "generateName": "install-",
            "labels": labels,
            "ownerReferences": [
                {
                    "apiVersion": SUBSCRIPTIONS.api_version,
                    "kind": SUBSCRIPTIONS.kind,
                    "name": name_of(c.subscription),
                    "uid": c.subscription["metadata"]["uid"],
                    "controller": False,
                    "blockOwnerDeletion": False,
                }
                for c in choices
            ],
        },
        "spec": {
            "approval": approval,
            "approved": approval == AUTOMATIC,
            "clusterServiceVersionNames": [c.bundle.name for c in choices],
            "generation": 1,
        },
    }


def _namespace(obj: RawObject) -> Iterable[Hashable]:
    yield namespace_of(obj)


def _current(subscription: RawObject) -> str:
    return str((subscription.get("status") or {}).get("currentCSV") or "")


def _without(subscription: RawObject, kind: str) -> list[RawObject]:
    conditions = (subscription.get("status") or {}).get("conditions") or []
    return [c for c in conditions if c["type"] != kind]


def _reference(obj: RawObject) -> RawObject:
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": name_of(obj),
        "namespace": namespace_of(obj),
        "uid": obj["metadata"]["uid"],
    }
