"""InstallPlans: what an approved plan creates, step by step."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from oc_gpu.kube import AlreadyExistsError, ApiError, ForbiddenError, RawObject
from oc_gpu.kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIGMAPS,
    CRDS,
    CSVS,
    INSTALL_PLANS,
    OPERATOR_GROUPS,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from oc_gpu.sim import bundles
from oc_gpu.sim.actors.framework import Controller, Key, Watch
from oc_gpu.sim.actors.objects import from_timestamp, name_of, namespace_of, timestamp
from oc_gpu.sim.actors.olm_names import (
    RBAC,
    component_labels,
    csv_reference,
    owner_labels,
    permission_name,
)
from oc_gpu.sim.actors.olm_resolve import manages
from oc_gpu.sim.bundles import Bundle

_RESOURCES = {
    r.kind: r
    for r in (
        CLUSTER_ROLES,
        CLUSTER_ROLE_BINDINGS,
        CONFIGMAPS,
        CRDS,
        CSVS,
        ROLES,
        ROLE_BINDINGS,
        SERVICES,
        SERVICE_ACCOUNTS,
    )
}
_FINALIZER = "operators.coreos.com/csv-cleanup"
_MANY = "more than one operator group(s) are managing this namespace count={}"
_NONE = "no operator group found that is managing this namespace"
_RETRY_SECONDS, _AGAIN_SECONDS = 60.0, 5.0
_ACCOUNT_SECONDS = 0.5
"""How long a CSV waits for each account: long enough to say that its requirements are not met."""
_SCOPES = {
    "clusterPermissions": ("ClusterRole", "ClusterRoleBinding"),
    "permissions": ("Role", "RoleBinding"),
}


class Installation(Struct, frozen=True):
    """A bundle on its way into a namespace."""

    bundle: Bundle
    namespace: str
    minor: tuple[int, int]

    @property
    def labels(self) -> dict[str, str]:
        """Return the label of all its components."""
        return component_labels(self.bundle.package, self.namespace, self.minor)


class InstallPlans(Controller):
    """The catalog operator's part for InstallPlans."""

    name = "catalog-operator-installplans"

    def watches(self) -> Sequence[Watch]:
        """Return InstallPlans, and OperatorGroups for the plans of their namespaces."""
        return (Watch(INSTALL_PLANS), Watch(OPERATOR_GROUPS, self._plans_beside))

    def _plans_beside(self, group: RawObject) -> Iterable[Hashable]:
        return map(Key.of, self.cache(INSTALL_PLANS).list(namespace_of(group)))

    async def reconcile(self, key: Any) -> None:
        """Wait for one OperatorGroup and the approval, then create what the plan lists."""
        plan = self.cache(INSTALL_PLANS).get(key.name, key.namespace)
        if plan is None:
            return
        phase = (plan.get("status") or {}).get("phase", "")
        if phase in {"Complete", "Failed"}:
            return
        approved = plan["spec"].get("approved", False)
        wanted = "Installing" if approved else "RequiresApproval"
        if phase != wanted:
            plan = await self._begin(plan, wanted)
        groups = [g for g in self.cache(OPERATOR_GROUPS).list(key.namespace) if manages(g)]
        if len(groups) != 1:
            problem = _MANY.format(len(groups)) if groups else _NONE
            condition = _condition(self.clock.now(), problem, "InstallCheckFailed")
            await self.context.patch_status(INSTALL_PLANS, plan, {"conditions": [condition]})
        elif approved:
            await self.clock.sleep(self.scenario.latencies.install_plan)
            await self._execute(plan)

    def _installations(self, plan: RawObject) -> list[Installation]:
        namespace = namespace_of(plan) or ""
        names = plan["spec"]["clusterServiceVersionNames"]
        found = [bundles.by_csv(self.scenario, name) for name in names]
        minor = self.scenario.openshift.minor
        return [Installation(b, namespace, minor) for b in found if b is not None]

    async def _begin(self, plan: RawObject, phase: str) -> RawObject:
        installations = self._installations(plan)
        status = {
            "phase": phase,
            "startTime": timestamp(self.clock.now()),
            "catalogSources": [c.name for c in self.scenario.catalogs],
            "plan": [_step(i.bundle.name, o, "Unknown") for i in installations for o in parts(i)],
        }
        return await self.context.patch_status(INSTALL_PLANS, plan, status)

    async def _execute(self, plan: RawObject) -> None:
        steps: list[RawObject] = []
        try:
            for installation in self._installations(plan):
                steps += await self._install(installation)
        except ApiError as error:
            await self._fail(plan, error, steps)
        else:
            # What it made works already when a plan is called complete, at its next turn.
            await self.clock.sleep(self.scenario.latencies.install_plan)
            await self._end(plan, "Complete", _condition(self.clock.now()), steps)

    async def _fail(self, plan: RawObject, error: ApiError, steps: list[RawObject]) -> None:
        """Try again in a while; after a minute the plan has failed for good."""
        tried = self.clock.now() - from_timestamp(plan["status"]["startTime"])
        if tried >= _RETRY_SECONDS and not isinstance(error, ForbiddenError):
            condition = _condition(self.clock.now(), str(error), "InstallComponentFailed")
            await self._end(plan, "Failed", condition, steps)
            return
        message = f"retrying execution due to error: {error}"
        await self.context.patch_status(INSTALL_PLANS, plan, {"message": message})
        self.enqueue_after(Key.of(plan), _AGAIN_SECONDS)

    async def _install(self, installation: Installation) -> list[RawObject]:
        steps: list[RawObject] = []
        owner: RawObject | None = None
        for part in parts(installation):
            if part["kind"] == SERVICE_ACCOUNTS.kind:
                await self.clock.sleep(_ACCOUNT_SECONDS)
            if owner is not None and part["kind"] != "CustomResourceDefinition":
                part["metadata"]["labels"] |= owner_labels(owner)
                if part["metadata"].get("namespace"):
                    part["metadata"]["ownerReferences"] = [csv_reference(owner)]
            state, stored = await self._put(part)
            if owner is None:
                owner = stored
            steps.append(_step(installation.bundle.name, part, state))
        return steps

    async def _put(self, part: RawObject) -> tuple[str, RawObject]:
        resource, namespace = _RESOURCES[part["kind"]], namespace_of(part)
        try:
            return "Created", await self.context.create(resource, part, namespace)
        except AlreadyExistsError:
            found = await self.context.client.get(resource, name_of(part), namespace)
            return "Present", found

    async def _end(
        self, plan: RawObject, phase: str, condition: RawObject, steps: list[RawObject]
    ) -> None:
        current = self.cache(INSTALL_PLANS).get(name_of(plan), namespace_of(plan))
        if current is not None:
            said = condition.get("message")
            status = {"phase": phase, "conditions": [condition], "plan": steps, "message": said}
            await self.context.patch_status(INSTALL_PLANS, current, status)


def _condition(now: float, problem: str = "", reason: str = "") -> RawObject:
    moment = timestamp(now)
    entry = {"type": "Installed", "lastTransitionTime": moment, "lastUpdateTime": moment}
    if problem:
        return entry | {"status": "False", "reason": reason, "message": problem}
    return entry | {"status": "True"}


def _step(csv: str, obj: RawObject, status: str) -> RawObject:
    group, _, version = obj["apiVersion"].rpartition("/")
    resource = {"group": group, "version": version, "kind": obj["kind"], "name": name_of(obj)}
    return {"resolving": csv, "resource": resource, "status": status}


def parts(installation: Installation) -> Iterator[RawObject]:
    """Yield what an installation creates: the CSV first, then CRDs, manifests, accounts, roles."""
    bundle = installation.bundle
    yield _csv(installation)
    for crd in bundle.crds:
        labels = {**(crd["metadata"].get("labels") or {}), **installation.labels}
        yield {**crd, "metadata": {**crd["metadata"], "labels": labels}}
    for manifest in bundle.manifests:
        yield _manifest(manifest, installation)
    yield from _permissions(installation)


def _csv(installation: Installation) -> RawObject:
    bundle = installation.bundle
    return {
        "apiVersion": CSVS.api_version,
        "kind": CSVS.kind,
        "metadata": {
            "name": bundle.name,
            "namespace": installation.namespace,
            "annotations": bundle.annotations,
            "labels": {"olm.managed": "true", **bundle.csv.labels, **installation.labels},
            "finalizers": [_FINALIZER],
        },
        "spec": bundle.csv.spec,
    }


def _manifest(manifest: RawObject, installation: Installation) -> RawObject:
    meta = dict(manifest["metadata"])
    meta["labels"] = {**(meta.get("labels") or {}), **installation.labels}
    if not manifest["kind"].startswith("Cluster"):
        meta["namespace"] = installation.namespace
    made = {**manifest, "metadata": meta}
    if "subjects" in made:
        space = installation.namespace
        made["subjects"] = [{**s, "namespace": space} for s in made["subjects"]]
    return made


def _permissions(installation: Installation) -> Iterator[RawObject]:
    install = installation.bundle.csv.spec["install"]["spec"]
    entries = [(kind, e) for kind in _SCOPES for e in install.get(kind) or []]
    for account in sorted({e["serviceAccountName"] for _, e in entries}):
        meta = {"name": account, "namespace": installation.namespace}
        yield {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": _marked(meta, installation),
        }
    for scope, entry in entries:
        yield from _role(scope, entry, installation)


def _role(scope: str, entry: RawObject, installation: Installation) -> Iterator[RawObject]:
    kind, binding = _SCOPES[scope]
    name = permission_name(installation.bundle.name, [scope, entry["rules"]], installation.minor)
    meta: RawObject = {"name": name}
    if kind == "Role":
        meta["namespace"] = installation.namespace
    subject = {
        "kind": "ServiceAccount",
        "name": entry["serviceAccountName"],
        "namespace": installation.namespace,
    }
    yield {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": _marked(meta, installation),
        "rules": entry["rules"],
    }
    yield {
        "apiVersion": f"{RBAC}/v1",
        "kind": binding,
        "metadata": _marked(meta, installation),
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
        "subjects": [subject],
    }


def _marked(meta: RawObject, installation: Installation) -> RawObject:
    return {**meta, "labels": dict(installation.labels)}
