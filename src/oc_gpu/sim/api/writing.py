"""The verbs create, update and patch."""

from collections.abc import Callable

import msgspec

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api import defaults, objects, patches, render
from oc_gpu.sim.api.backend import Backend
from oc_gpu.sim.api.deleting import remove_if_released
from oc_gpu.sim.api.errors import unsupported_media_type
from oc_gpu.sim.api.messages import ApiResponse
from oc_gpu.sim.api.reading import found
from oc_gpu.sim.api.routing import Call

_MERGE = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"
_APPLY = ("application/apply-patch+yaml", "application/apply-patch+json")


def create(backend: Backend, call: Call) -> ApiResponse:
    """Create an object."""
    obj = objects.parse(call)
    if call.kind.has_status:
        obj.pop("status", None)
    return store_new(backend, call, obj)


def store_new(backend: Backend, call: Call, obj: RawObject) -> ApiResponse:
    """Name, check, complete and store a new object."""
    objects.check_namespace(backend, call, obj["metadata"].get("name", ""))
    objects.name_new(backend, call, obj)
    defaults.complete(call.kind, obj)
    if call.request.dry_run:
        return render.one(call, msgspec.json.encode(obj), 201)
    return render.one(call, backend.put(call.kind, obj).body, 201)


def update(backend: Backend, call: Call) -> ApiResponse:
    """Replace an object."""
    new = objects.parse(call)
    entry = found(backend, call)
    return _store_changed(backend, call, entry.decode(), new)


def patch(backend: Backend, call: Call) -> ApiResponse:
    """Change an object by one of the patch forms."""
    given = call.request.content_type
    how = _PATCHES.get(given)
    if how is None:
        raise unsupported_media_type(given, tuple(_PATCHES))
    entry = found(backend, call)
    new = how(entry.decode(), objects.decode(call))
    return _store_changed(backend, call, entry.decode(), new)


_PATCHES: dict[str, Callable[[RawObject, RawObject], RawObject]] = {
    _MERGE: patches.merge,
    _JSON_PATCH: patches.json_patch,
}


def _store_changed(backend: Backend, call: Call, old: RawObject, new: RawObject) -> ApiResponse:
    objects.check_type(call.kind, new)
    objects.keep_identity(call, old, new)
    new = _only_the_part(call, old, new)
    defaults.complete(call.kind, new)
    _count_generation(call, old, new)
    if new == old:
        return render.one(call, msgspec.json.encode(old))
    if call.request.dry_run:
        return render.one(call, msgspec.json.encode(new))
    if remove_if_released(backend, call.kind, new):
        return render.one(call, msgspec.json.encode(new))
    return render.one(call, backend.put(call.kind, new).body)


def _only_the_part(call: Call, old: RawObject, new: RawObject) -> RawObject:
    """Return the object with only the part changed that this (sub)resource may change."""
    if call.subresource == "status":
        return {**old, "status": new.get("status", {})}
    if call.kind.has_status:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    return new


def _count_generation(call: Call, old: RawObject, new: RawObject) -> None:
    if not call.kind.generation:
        return
    apart = {"metadata", "status"} if call.kind.has_status else {"metadata"}
    if any(old.get(key) != new.get(key) for key in (old.keys() | new.keys()) - apart):
        new["metadata"]["generation"] = old["metadata"].get("generation", 1) + 1
