"""The verbs get, list and watch."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import msgspec

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api import paging, render
from oc_gpu.sim.api.backend import Backend
from oc_gpu.sim.api.errors import Cause, expired, invalid_options, not_found
from oc_gpu.sim.api.messages import ApiResponse, ApiStream
from oc_gpu.sim.api.routing import Call
from oc_gpu.sim.api.selectors import matches, parse_fields, parse_labels
from oc_gpu.sim.api.store import Entry, Watcher

_Events = list[tuple[str, Entry | int]]


def get(backend: Backend, call: Call) -> ApiResponse:
    """Answer with one object."""
    return render.one(call, found(backend, call).body, backend.clock.now())


def found(backend: Backend, call: Call) -> Entry:
    """Return the stored state of the object that is asked for.

    Raises:
        StatusError: 404.
    """
    entry = backend.find(call.kind, call.namespace, call.name)
    if entry is None:
        raise not_found(call.kind.resource, call.name)
    return entry


def selection(call: Call) -> Callable[[Entry], bool]:
    """Return the test for what the query selects.

    Raises:
        StatusError: 400, a selector cannot be understood.
    """
    labels = parse_labels(call.request.params.get("labelSelector", ""))
    known = ("metadata.name", "metadata.namespace", *call.kind.selectable)
    fields = parse_fields(call.request.params.get("fieldSelector", ""), known)

    def accepts(entry: Entry) -> bool:
        if call.namespace and entry.namespace != call.namespace:
            return False
        return matches(labels, entry.labels) and matches(fields, entry.fields)

    return accepts


def list_(backend: Backend, call: Call) -> ApiResponse:
    """Answer with a list, or one page of it."""
    params = call.request.params
    wanted = paging.page(backend.store, backend.store.of(call.kind.key), params)
    everything = list(wanted.objects.select(call.namespace, wanted.after))
    is_selected = "labelSelector" in params or "fieldSelector" in params
    matching = list(filter(selection(call), everything)) if is_selected else everything
    shown = matching[: wanted.limit] if wanted.limit else matching
    meta: RawObject = {"resourceVersion": str(wanted.version)}
    if len(shown) < len(matching):
        meta["continue"] = wanted.next(shown[-1].key)
        if not is_selected:
            meta["remainingItemCount"] = len(matching) - len(shown)
    return render.many(call, shown, meta, backend.clock.now())


def watch(backend: Backend, call: Call) -> ApiStream:
    """Answer with the changes from a version on, until the client leaves."""
    _check_watch(call.request.params)
    accepts = selection(call)
    if call.name:
        wanted = call.name
        selected = accepts

        def accepts(entry: Entry) -> bool:
            return entry.name == wanted and selected(entry)

    request = call.request
    watcher = Watcher(accepts, lambda: backend.clock.touch(external=request.external))
    first = _first_events(backend, call, watcher, accepts)
    backend.store.watch(call.kind.key, watcher, bookmarks=request.flag("allowWatchBookmarks"))
    store = backend.store
    return ApiStream(
        200,
        _stream(backend, call, watcher, first),
        release=lambda: store.unwatch(call.kind.key, watcher),
    )


def _check_watch(params: Mapping[str, str]) -> None:
    """Refuse a watch from what is no version, or with initial events that are not described.

    Raises:
        StatusError: 400 or 422.
    """
    paging.parse_version(params.get("resourceVersion", ""))
    initial, match = "sendInitialEvents" in params, params.get("resourceVersionMatch", "")
    if initial and match != "NotOlderThan":
        wrong = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
    elif match and not initial:
        wrong = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
    else:
        return
    cause = Cause("resourceVersionMatch", f"Forbidden: {wrong}", "FieldValueForbidden")
    raise invalid_options("ListOptions", [cause])


def _first_events(
    backend: Backend, call: Call, watcher: Watcher, accepts: Callable[[Entry], bool]
) -> bytes:
    """Return what is known already: objects when no version is given, else changes since."""
    request = call.request
    collection = backend.store.of(call.kind.key)
    version = request.params.get("resourceVersion", "")
    initial = request.flag("sendInitialEvents")
    now = backend.clock.now()
    if version in {"", "0"} or initial:
        events: _Events = [("ADDED", e) for e in collection.select(call.namespace) if accepts(e)]
        text = b"".join(render.event(call, kind, what, now) for kind, what in events)
        return text + (render.bookmark(call, backend.store.version, end=True) if initial else b"")
    changes = collection.since(int(version))
    if changes is None:
        error = expired(f"too old resource version: {version} ({collection.floor})")
        watcher.close()
        return msgspec.json.encode({"type": "ERROR", "object": error.status()}) + b"\n"
    for change in changes:
        watcher.offer(change)
    return b""


async def _stream(
    backend: Backend, call: Call, watcher: Watcher, first: bytes
) -> AsyncIterator[bytes]:
    seconds = call.request.params.get("timeoutSeconds")
    try:
        if first:
            yield first
        async with asyncio.timeout(float(seconds) if seconds else None):
            while (events := await watcher.take()) is not None:
                now = backend.clock.now()
                yield b"".join(render.event(call, kind, what, now) for kind, what in events)
                backend.clock.touch(external=call.request.external)
    except TimeoutError:
        if call.request.flag("allowWatchBookmarks"):
            yield render.bookmark(call, backend.store.version)
    finally:
        backend.store.unwatch(call.kind.key, watcher)
