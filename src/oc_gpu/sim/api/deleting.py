"""The verbs delete and deletecollection: finalizers, grace, propagation, preconditions."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct, field

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api import objects, options, render
from oc_gpu.sim.api.backend import Backend
from oc_gpu.sim.api.errors import Cause, bad_request, conflict, describe, invalid_options
from oc_gpu.sim.api.kinds import ServedKind
from oc_gpu.sim.api.messages import ApiResponse, success
from oc_gpu.sim.api.reading import found, selection
from oc_gpu.sim.api.routing import Call
from oc_gpu.sim.api.store import Entry

_POLICIES = ("Foreground", "Background", "Orphan")
_FOREGROUND = "foregroundDeletion"
_ORPHAN = "orphan"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""Finalizer that holds a definition until its objects are gone."""
DEFINITIONS = ("apiextensions.k8s.io", "customresourcedefinitions")
_POD_GRACE = 30


class Preconditions(Struct, frozen=True, rename="camel"):
    """What must hold for the deletion to be meant for this object."""

    uid: str | None = None
    resource_version: str | None = None


class DeleteOptions(Struct, frozen=True, rename="camel"):
    """Body of a delete request."""

    grace_period_seconds: int | None = None
    propagation_policy: str | None = None
    orphan_dependents: bool | None = None
    preconditions: Preconditions = field(default_factory=Preconditions)
    dry_run: list[str] | None = None


def asked(call: Call) -> DeleteOptions:
    """Return the options from body and query.

    Raises:
        StatusError: 400.
    """
    given: RawObject = objects.decode(call) if call.request.body else {}
    if not isinstance(given, dict):
        raise bad_request("the options are not an object")
    params = call.request.params
    for name in ("gracePeriodSeconds", "propagationPolicy"):
        if name in params:
            given = {**given, name: params[name]}
    return parse_options(given, dry_run=call.request.dry_run)


def parse_options(given: RawObject, *, dry_run: bool) -> DeleteOptions:
    """Return the options as values.

    Raises:
        StatusError: 400.
    """
    try:
        found = msgspec.convert(given, DeleteOptions, strict=False)
    except msgspec.ValidationError as error:
        message = f"the options cannot be understood: {error}"
        raise bad_request(message) from error
    if dry_run:
        found = msgspec.structs.replace(found, dry_run=["All"])
    causes = [*_wrong(found)]
    if causes:
        raise invalid_options("DeleteOptions", causes)
    return found


def _wrong(given: DeleteOptions) -> Iterator[Cause]:
    field, policy = "propagationPolicy", given.propagation_policy
    if policy is not None and given.orphan_dependents is not None:
        message = "orphanDependents and deletionPropagation cannot be both set"
        yield Cause(field, f'Invalid value: "{policy}": {message}')
    if policy is not None and policy not in _POLICIES:
        yield options.unsupported(field, policy, (*_POLICIES, "nil"))
    yield from options.dry_run(given.dry_run or [])


def delete(backend: Backend, call: Call) -> ApiResponse:
    """Delete one object, or mark it as going when something holds it back."""
    entry = found(backend, call)
    return delete_entry(backend, call, entry, asked(call))


def delete_collection(backend: Backend, call: Call) -> ApiResponse:
    """Delete everything that is selected."""
    accepts, given = selection(call), asked(call)
    entries = [e for e in backend.store.of(call.kind.key).select(call.namespace) if accepts(e)]
    for entry in entries:
        delete_entry(backend, call, entry, given)
    meta: RawObject = {"resourceVersion": str(backend.store.version)}
    return render.many(call, entries, meta, backend.clock.now())


def delete_entry(backend: Backend, call: Call, entry: Entry, given: DeleteOptions) -> ApiResponse:
    """Delete an object by its stored state."""
    obj = entry.decode()
    _check(call, obj, given.preconditions)
    grace = _grace(call.kind, obj, given)
    held = _hold(call.kind, obj, given)
    details = {**describe(call.kind.resource, entry.name), "uid": entry.uid}
    if given.dry_run or call.request.dry_run:
        return success(details)
    if not held and not grace:
        backend.remove(call.kind, obj)
        return success(details)
    if _mark(backend, obj, grace):
        if is_held_namespace(call.kind, obj):
            obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
        entry = backend.put(call.kind, obj)
        for listener in backend.marked:
            listener(call.kind, entry)
    return render.one(call, entry.body, backend.clock.now())


def remove_if_released(backend: Backend, kind: ServedKind, new: RawObject) -> bool:
    """Remove an object that is going once nothing holds it any more; tell whether it did."""
    meta = new["metadata"]
    going = meta.get("deletionTimestamp") and not meta.get("finalizers")
    if not going or meta.get("deletionGracePeriodSeconds") or is_held_namespace(kind, new):
        return False
    # Watchers see it as it was stored last: what took the finalizer off is not stored any more.
    entry = backend.find(kind, meta.get("namespace", ""), meta["name"])
    backend.remove(kind, entry.decode() if entry is not None else new)
    return True


def is_held_namespace(kind: ServedKind, obj: RawObject) -> bool:
    """Tell whether this is a namespace that still has content to be removed."""
    is_namespace = kind.key == ("", "namespaces")
    return is_namespace and bool((obj.get("spec") or {}).get("finalizers"))


def _check(call: Call, obj: RawObject, wanted: Preconditions) -> None:
    meta = obj["metadata"]
    # Here the real server names the kind where it names the plural elsewhere.
    resource = msgspec.structs.replace(call.kind.resource, plural=call.kind.resource.kind)
    uid, version = wanted.uid, wanted.resource_version
    if uid and uid != meta["uid"]:
        why = (
            f"the UID in the precondition ({uid}) does not match the UID in record "
            f"({meta['uid']}). The object might have been deleted and then recreated"
        )
        raise conflict(resource, meta["name"], why)
    if version and version != meta["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({version}) does not match the "
            f"ResourceVersion in record ({meta['resourceVersion']}). The object might have been "
            "modified"
        )
        raise conflict(resource, meta["name"], why)


def _grace(kind: ServedKind, obj: RawObject, given: DeleteOptions) -> int:
    """Return the seconds that a pod's node is given to stop it; other kinds have none."""
    if kind.key != ("", "pods"):
        return 0
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in {"Succeeded", "Failed"}:
        return 0
    if given.grace_period_seconds is not None:
        return given.grace_period_seconds
    return int(spec.get("terminationGracePeriodSeconds", _POD_GRACE))


def _hold(kind: ServedKind, obj: RawObject, given: DeleteOptions) -> bool:
    """Add the finalizer that the propagation asks for; tell whether any finalizer is there."""
    meta = obj["metadata"]
    policy = _ORPHAN if given.orphan_dependents else given.propagation_policy
    mark = {"Foreground": _FOREGROUND, "Orphan": _ORPHAN, _ORPHAN: _ORPHAN}.get(policy or "")
    finalizers = [
        f for f in meta.get("finalizers") or [] if mark is None or f not in {_FOREGROUND, _ORPHAN}
    ]
    if mark:
        finalizers.append(mark)
    if kind.key == DEFINITIONS and CLEANUP not in finalizers:
        finalizers.append(CLEANUP)
    if finalizers:
        meta["finalizers"] = finalizers
    return bool(finalizers) or bool((obj.get("spec") or {}).get("finalizers"))


def _mark(backend: Backend, obj: RawObject, grace: int) -> bool:
    """Note that the object is going; tell whether that is news."""
    meta = obj["metadata"]
    known = meta.get("deletionTimestamp")
    if known and meta.get("deletionGracePeriodSeconds", 0) <= grace:
        return False
    meta["deletionTimestamp"] = backend.timestamp(grace)
    meta["deletionGracePeriodSeconds"] = grace
    if "generation" in meta:
        meta["generation"] += 1
    return True
