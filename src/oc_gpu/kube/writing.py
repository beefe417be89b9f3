"""Verbs that change objects: create, apply, patch, replace, delete."""

from typing import Any, Literal

from oc_gpu.kube.codec import decode, encode
from oc_gpu.kube.errors import ApiError
from oc_gpu.kube.listing import with_query
from oc_gpu.kube.objects import RawObject, Resource
from oc_gpu.kube.resources import PODS
from oc_gpu.kube.sending import Call
from oc_gpu.kube.session import Session

PatchKind = Literal["merge", "json", "strategic"]
Propagation = Literal["Background", "Foreground", "Orphan"]

_PATCH_TYPES: dict[PatchKind, str] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
_EVICTIONS = ("policy/v1", "policy/v1beta1")
_BAD_REQUEST = 400
_APPLY_TYPE = "application/apply-patch+yaml"
"""JSON is YAML; servers since 1.16 take this type, the CBOR and JSON ones are newer."""


class Writing(Session):
    """Verbs that write; what they return is the object as the server has it now."""

    async def create(
        self,
        resource: Resource,
        obj: RawObject,
        namespace: str | None = None,
        *,
        dry_run: bool = False,
    ) -> RawObject:
        """Create an object.

        Raises:
            AlreadyExistsError: An object of that name is there.
        """
        meta = obj.get("metadata", {})
        asked = self._asked(
            "create", resource, meta.get("name"), namespace or meta.get("namespace")
        )
        target = with_query(
            resource.path(asked.namespace), fieldManager=self.field_manager, dryRun=_dry(dry_run)
        )
        return await self._write(Call(asked, "POST", target, encode(obj)))

    async def apply(
        self,
        resource: Resource,
        obj: RawObject,
        *,
        force: bool = False,
        dry_run: bool = False,
        field_manager: str | None = None,
        subresource: str | None = None,
    ) -> RawObject:
        """Apply an object on the server's side: create it, or change the fields that differ.

        Args:
            resource: Kind.
            obj: The fields that this manager wants; name and namespace are in its metadata.
            force: Take fields from other managers.
            dry_run: Only tell what the result would be.
            field_manager: Other name than the client's.
            subresource: Such as `status`.

        Raises:
            ConflictError: Other managers own some of the fields (`causes` names them).
        """
        meta = obj["metadata"]
        asked = self._asked("apply", resource, meta["name"], meta.get("namespace"), subresource)
        target = with_query(
            resource.path(asked.namespace, meta["name"], subresource),
            fieldManager=field_manager or self.field_manager,
            force="true" if force else None,
            dryRun=_dry(dry_run),
        )
        return await self._write(
            Call(asked, "PATCH", target, encode(obj), _APPLY_TYPE, repeatable=True)
        )

    async def patch(  # noqa: PLR0913 - the API's own parameters
        self,
        resource: Resource,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        kind: PatchKind = "merge",
        subresource: str | None = None,
        dry_run: bool = False,
        field_manager: str | None = None,
    ) -> RawObject:
        """Change parts of an object that exists.

        Args:
            resource: Kind.
            name: Object name.
            patch: Partial object for merge and strategic, list of operations for json.
            namespace: Namespace.
            kind: Rules by which the patch is merged.
            subresource: Such as `status`.
            dry_run: Only tell what the result would be.
            field_manager: Other name than the client's.
        """
        asked = self._asked("patch", resource, name, namespace, subresource)
        target = with_query(
            resource.path(asked.namespace, name, subresource),
            fieldManager=field_manager or self.field_manager,
            dryRun=_dry(dry_run),
        )
        return await self._write(Call(asked, "PATCH", target, encode(patch), _PATCH_TYPES[kind]))

    async def replace(
        self, resource: Resource, obj: RawObject, *, subresource: str | None = None
    ) -> RawObject:
        """Replace an object; its resourceVersion, when given, must be the current one.

        Raises:
            ConflictError: The object changed meanwhile.
        """
        meta = obj["metadata"]
        asked = self._asked("replace", resource, meta["name"], meta.get("namespace"), subresource)
        target = with_query(
            resource.path(asked.namespace, meta["name"], subresource),
            fieldManager=self.field_manager,
        )
        return await self._write(Call(asked, "PUT", target, encode(obj)))

    async def delete(  # noqa: PLR0913 - the API's own parameters
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        propagation: Propagation = "Background",
        uid: str | None = None,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
        dry_run: bool = False,
    ) -> None:
        """Delete an object; it may stay for a while, until its finalizers are done.

        Args:
            resource: Kind.
            name: Object name.
            namespace: Namespace.
            propagation: What becomes of the objects that it owns.
            uid: Delete this very object, not a namesake made since.
            resource_version: Delete it only as it was at this version.
            grace_seconds: Seconds that a pod gets to end.
            dry_run: Only tell whether it would work.

        Raises:
            NotFoundError: It is not there.
            ConflictError: A precondition does not hold.
        """
        asked = self._asked("delete", resource, name, namespace)
        options: RawObject = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": propagation,
        }
        conditions = {"uid": uid, "resourceVersion": resource_version}
        if any(conditions.values()):
            options["preconditions"] = {k: v for k, v in conditions.items() if v}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if dry_run:
            options["dryRun"] = ["All"]
        target = resource.path(asked.namespace, name)
        await self._sender.send(
            Call(asked, "DELETE", target, encode(options), repeatable=uid is not None)
        )

    async def evict(self, name: str, namespace: str | None = None, *, uid: str | None) -> None:
        """Ask for the eviction of a pod, which its disruption budgets may forbid for now.

        Servers before Kubernetes 1.22 know only the older version of it.

        Args:
            name: Name of the pod.
            namespace: Namespace.
            uid: Evict this very pod, not a namesake made since.

        Raises:
            NotFoundError: It is not there.
            TooManyRequestsError: A budget forbids it, or the server has too much to do.
        """
        asked = self._asked("evict", PODS, name, namespace, "eviction")
        target = PODS.path(asked.namespace, name, "eviction")
        options = {"deleteOptions": {"preconditions": {"uid": uid}}} if uid else {}
        meta = {"name": name, "namespace": asked.namespace}
        for version in _EVICTIONS:
            body = {"apiVersion": version, "kind": "Eviction", "metadata": meta, **options}
            call = Call(asked, "POST", target, encode(body), repeatable=uid is not None)
            try:
                await self._sender.send(call)
            except ApiError as error:
                if error.status != _BAD_REQUEST or version == _EVICTIONS[-1]:
                    raise
            else:
                return

    async def _write(self, call: Call) -> RawObject:
        return decode((await self._sender.send(call)).body, RawObject, call.asked)


def _dry(dry_run: bool) -> str | None:  # noqa: FBT001
    return "All" if dry_run else None
