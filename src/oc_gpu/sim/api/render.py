"""From stored bytes to what the client asked for: objects, Tables, metadata only."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import msgspec

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api.errors import not_acceptable
from oc_gpu.sim.api.kinds import ServedKind
from oc_gpu.sim.api.messages import JSON, ApiRequest, ApiResponse
from oc_gpu.sim.api.routing import Call
from oc_gpu.sim.api.store import Entry
from oc_gpu.sim.api.tables import partial, table

_TAKES_JSON = frozenset({JSON, "*/*"})
_META = "meta.k8s.io/v1"


@lru_cache(maxsize=64)
def _form(accept: str) -> str:
    for choice in accept.split(","):
        wanted = dict(part.strip().partition("=")[::2] for part in choice.split(";")[1:])
        if wanted.get("v", "v1") == "v1":
            return wanted.get("as", "").removesuffix("List")
    return ""


def check_form(request: ApiRequest) -> None:
    """Refuse a request whose sender does not take JSON.

    Raises:
        StatusError: 406.
    """
    taken = request.headers.get("accept", "")
    if taken and not any(c.partition(";")[0].strip() in _TAKES_JSON for c in taken.split(",")):
        raise not_acceptable(JSON)


def form(call: Call) -> str:
    """Return how the client wants objects: `Table`, `PartialObjectMetadata` or empty."""
    accept = call.request.headers.get("accept", "")
    return _form(accept) if "as=" in accept else ""


def body(kind: ServedKind, stored: bytes) -> bytes:
    """Return an object in the version asked for."""
    if kind.storage_api_version == kind.resource.api_version:
        return stored
    obj = msgspec.json.decode(stored)
    obj["apiVersion"] = kind.resource.api_version
    return msgspec.json.encode(obj)


def one(call: Call, stored: bytes, now: float, status: int = 200) -> ApiResponse:
    """Return the answer with one object, at a simulated time."""
    return ApiResponse(status, _shown(call, stored, now))


def _shown(call: Call, stored: bytes, now: float) -> bytes:
    match form(call):
        case "PartialObjectMetadata":
            return msgspec.json.encode(partial(msgspec.json.decode(stored)))
        case "Table":
            obj = msgspec.json.decode(stored)
            meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            return table(call, [obj], meta, now)
    return body(call.kind, stored)


def many(call: Call, entries: Sequence[Entry], meta: RawObject, now: float) -> ApiResponse:
    """Return the answer with a list, at a simulated time."""
    kind = call.kind
    match form(call):
        case "PartialObjectMetadata":
            items = [partial(entry.decode()) for entry in entries]
            head = {"kind": "PartialObjectMetadataList", "apiVersion": _META, "metadata": meta}
            return ApiResponse(200, msgspec.json.encode({**head, "items": items}))
        case "Table":
            return ApiResponse(200, table(call, [entry.decode() for entry in entries], meta, now))
    head = {
        "kind": f"{kind.resource.kind}List",
        "apiVersion": kind.resource.api_version,
        "metadata": meta,
    }
    items_json = b",".join(_items(kind, entries))
    return ApiResponse(
        200, b"".join((msgspec.json.encode(head)[:-1], b',"items":[', items_json, b"]}"))
    )


def _items(kind: ServedKind, entries: Sequence[Entry]) -> Iterator[bytes]:
    """Give the objects as a list has them: those of built-in kinds do not say what they are."""
    if not kind.native:
        yield from (body(kind, entry.body) for entry in entries)
        return
    head = msgspec.json.encode(kind.head)[:-1] + b","
    for entry in entries:
        yield b"{" + entry.body.removeprefix(head)


def event(call: Call, type_: str, what: Entry | int, now: float) -> bytes:
    """Return one line of a watch."""
    if isinstance(what, int):
        return bookmark(call, what)
    shown = _shown(call, what.body, now)
    return b"".join((b'{"type":"', type_.encode(), b'","object":', shown, b"}\n"))


def bookmark(call: Call, version: int, *, end: bool = False) -> bytes:
    """Return the watch line that tells the version reached.

    Args:
        call: The watch.
        version: Everything up to here was sent.
        end: Whether it ends the initial events that the client asked for.
    """
    meta: RawObject = {"resourceVersion": str(version), "creationTimestamp": None}
    if end:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    resource = call.kind.resource
    shown = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
    return msgspec.json.encode({"type": "BOOKMARK", "object": shown}) + b"\n"
