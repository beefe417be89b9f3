"""The verbs get, list and watch."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable

import msgspec

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api import render
from oc_gpu.sim.api.backend import Backend
from oc_gpu.sim.api.errors import bad_request, expired, not_found
from oc_gpu.sim.api.messages import ApiResponse, ApiStream
from oc_gpu.sim.api.routing import Call
from oc_gpu.sim.api.selectors import matches, parse_fields, parse_labels
from oc_gpu.sim.api.store import Entry, ObjectKey, Watcher

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
    limit = int(params.get("limit") or 0)
    after, version = _position(backend, params.get("continue", ""))
    everything = list(backend.store.of(call.kind.key).select(call.namespace, after))
    is_selected = "labelSelector" in params or "fieldSelector" in params
    matching = list(filter(selection(call), everything)) if is_selected else everything
    page = matching[:limit] if limit else matching
    meta: RawObject = {"resourceVersion": str(version)}
    if len(page) < len(matching):
        token = msgspec.json.encode({"v": version, "start": page[-1].key})
        meta["continue"] = base64.urlsafe_b64encode(token).decode()
        if not is_selected:
            meta["remainingItemCount"] = len(matching) - len(page)
    return render.many(call, page, meta, backend.clock.now())


def _position(backend: Backend, token: str) -> tuple[ObjectKey | None, int]:
    if not token:
        return None, backend.store.version
    try:
        known = msgspec.json.decode(base64.urlsafe_b64decode(token))
        start: ObjectKey = (known["start"][0], known["start"][1])
        return start, int(known["v"])
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request("continue key is not valid") from error


def watch(backend: Backend, call: Call) -> ApiStream:
    """Answer with the changes from a version on, until the client leaves."""
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
    if not version.isdecimal():
        msg = f"invalid resource version {version!r}"
        raise bad_request(msg)
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
        yield render.bookmark(call, backend.store.version)
    finally:
        backend.store.unwatch(call.kind.key, watcher)
