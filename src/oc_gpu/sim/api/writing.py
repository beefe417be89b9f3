"""The verbs create, update and patch."""

import msgspec

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api import (
    admission,
    applying,
    defaults,
    managed,
    native,
    objects,
    options,
    patches,
    policies,
    render,
)
from oc_gpu.sim.api.admission import Admitted
from oc_gpu.sim.api.backend import Backend
from oc_gpu.sim.api.deleting import remove_if_released
from oc_gpu.sim.api.errors import bad_request, unsupported_media_type
from oc_gpu.sim.api.managed import APPLY, UPDATE, Writer
from oc_gpu.sim.api.messages import ApiResponse, StatusError
from oc_gpu.sim.api.reading import found
from oc_gpu.sim.api.routing import Call
from oc_gpu.sim.api.store import KindKey
from oc_gpu.sim.api.strategic import strategic_patch

_MERGE = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"
_SHARED_METADATA: dict[KindKey, tuple[str, ...]] = {
    ("", "pods"): ("labels", "annotations", "finalizers"),
    ("", "nodes"): ("labels", "annotations", "finalizers", "ownerReferences"),
}
"""What the status door of a kind writes besides the status."""
_APPLY = ("application/apply-patch+yaml", "application/apply-patch+json")
_PATCHES = (_MERGE, _JSON_PATCH, _STRATEGIC)


def create(backend: Backend, call: Call) -> ApiResponse:
    """Create an object."""
    options.check(call)
    obj = objects.parse(call)
    if call.kind.has_status:
        obj.pop("status", None)
    obj["metadata"].pop("managedFields", None)
    return store_new(backend, call, obj)


def store_new(backend: Backend, call: Call, obj: RawObject, *, track: bool = True) -> ApiResponse:
    """Name, check, complete and store a new object.

    Args:
        backend: State of the server.
        call: What is asked for.
        obj: The object; it is changed.
        track: Note the writer as the manager of all fields; apply has done so already.
    """
    admission.check_types(call, obj)
    obj = native.tidy_for(call.kind, obj)
    objects.check_namespace(backend, call, obj["metadata"].get("name", ""))
    objects.name_new(backend, call, obj)
    admitted = admission.admit(call, None, obj)
    policies.check(backend, call, obj)
    objects.check_free(backend, call, obj)
    defaults.complete(call.kind, obj)
    if track:
        managed.record_update(None, obj, call.kind.shape, _writer(backend, call, UPDATE))
    defaults.admit(call.kind, obj)
    if call.request.dry_run:
        return _answer(backend, call, msgspec.json.encode(obj), admitted, 201)
    return _answer(backend, call, backend.put(call.kind, obj).body, admitted, 201)


def update(backend: Backend, call: Call) -> ApiResponse:
    """Replace an object."""
    options.check(call)
    new = objects.parse(call)
    if backend.find(call.kind, call.namespace, call.name) is None and _may_create(call):
        objects.check_name(new["metadata"], call.name)
        return store_new(backend, call, new)
    entry = found(backend, call)
    return _store_changed(backend, call, entry.decode(), new)


def _may_create(call: Call) -> bool:
    return call.kind.created_by_update and not call.subresource


def patch(backend: Backend, call: Call) -> ApiResponse:
    """Change an object by one of the patch forms."""
    how = call.request.content_type
    options.check(call, apply=how in _APPLY)
    if how in _APPLY:
        return _apply(backend, call)
    if how not in _PATCHES or (how == _STRATEGIC and not call.kind.native):
        raise _unknown_patch(call)
    entry = found(backend, call)
    old, given = entry.decode(), objects.decode(call)
    match how:
        case "application/merge-patch+json":
            new = patches.merge(entry.decode(), given)
        case "application/json-patch+json":
            new = patches.json_patch(entry.decode(), given)
        case _:
            new = strategic_patch(entry.decode(), given)
    return _store_changed(backend, call, old, new)


def _unknown_patch(call: Call) -> StatusError:
    if call.kind.native:
        text = "415: Unsupported Media Type"
        return StatusError(415, "UnsupportedMediaType", text, {})
    return unsupported_media_type((_JSON_PATCH, _MERGE, _APPLY[0]))


def _apply(backend: Backend, call: Call) -> ApiResponse:
    config = objects.parse_applied(call)
    request, kind = call.request, call.kind
    if config["metadata"].get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    objects.check_name(config["metadata"], call.name)
    _keep_the_part(call, config)
    admission.refuse_undeclared(call, config)
    writer, force = _writer(backend, call, APPLY), request.flag("force")
    entry = backend.find(kind, call.namespace, call.name)
    if entry is not None:
        old = entry.decode()
        new = applying.merge(entry.decode(), config, kind.shape, writer, force=force)
        return _store_changed(backend, call, old, new, track=False)
    if call.subresource:
        found(backend, call)
    config["metadata"].pop("resourceVersion", None)
    new = applying.merge({"metadata": {}}, config, kind.shape, writer, force=force)
    return store_new(backend, call, new, track=False)


def _keep_the_part(call: Call, config: RawObject) -> None:
    """Leave in an applied configuration only what this door is for."""
    if call.subresource == "status":
        identity = {k: v for k, v in config["metadata"].items() if k in {"name", "namespace"}}
        config["metadata"] = identity
        for key in config.keys() - {"apiVersion", "kind", "metadata", "status"}:
            del config[key]
    elif call.kind.has_status:
        config.pop("status", None)


def _store_changed(
    backend: Backend, call: Call, old: RawObject, new: RawObject, *, track: bool = True
) -> ApiResponse:
    objects.check_type(call.kind, new)
    objects.keep_identity(call, old, new)
    admission.check_types(call, new, old)
    new = _only_the_part(call, old, native.tidy_for(call.kind, new, old))
    old["apiVersion"] = new["apiVersion"]
    admitted = admission.admit(call, old, new)
    defaults.complete(call.kind, new)
    if track:
        managed.record_update(old, new, call.kind.shape, _writer(backend, call, UPDATE))
    defaults.admit(call.kind, new)
    _count_generation(call, old, new)
    if new == old or call.request.dry_run:
        return _answer(backend, call, msgspec.json.encode(new), admitted)
    if remove_if_released(backend, call.kind, new):
        return _answer(backend, call, msgspec.json.encode(new), admitted)
    return _answer(backend, call, backend.put(call.kind, new).body, admitted)


def _only_the_part(call: Call, old: RawObject, new: RawObject) -> RawObject:
    """Return the object with only the part changed that this (sub)resource may change."""
    if call.subresource == "status":
        kept = ("managedFields", *_SHARED_METADATA.get(call.kind.key, ()))
        meta = {k: v for k, v in old["metadata"].items() if k not in kept}
        meta |= {k: v for k, v in new["metadata"].items() if k in kept}
        return {**old, "metadata": meta, "status": new.get("status", {})}
    if call.kind.has_status:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    return new


def _count_generation(call: Call, old: RawObject, new: RawObject) -> None:
    if not call.kind.generation:
        return
    apart = {"metadata", "status"} if call.kind.has_status else {"metadata"}
    notes = call.kind.key == ("apps", "deployments") and call.subresource != "status"
    if (notes and _notes(old) != _notes(new)) or any(
        old.get(key) != new.get(key) for key in (old.keys() | new.keys()) - apart
    ):
        new["metadata"]["generation"] = old["metadata"].get("generation", 1) + 1


def _notes(obj: RawObject) -> RawObject:
    return obj["metadata"].get("annotations") or {}


def _writer(backend: Backend, call: Call, operation: str) -> Writer:
    return Writer(
        call.request.manager,
        operation,
        call.kind.resource.api_version,
        call.subresource,
        backend.timestamp(),
    )


def _answer(
    backend: Backend, call: Call, body: bytes, admitted: Admitted, status: int = 200
) -> ApiResponse:
    answer = render.one(call, body, backend.clock.now(), status)
    if not admitted.warnings:
        return answer
    told = ", ".join(f'299 - "{_escape(text)}"' for text in admitted.warnings)
    return msgspec.structs.replace(answer, headers={"warning": told})


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
