"""From stored bytes to what the client asked for: objects, Tables, metadata only."""

from collections.abc import Sequence

import msgspec

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api.kinds import ServedKind
from oc_gpu.sim.api.messages import ApiRequest, ApiResponse
from oc_gpu.sim.api.routing import Call
from oc_gpu.sim.api.store import Entry

_META = "meta.k8s.io/v1"


def form(request: ApiRequest) -> str:
    """Return how the client wants objects: `Table`, `PartialObjectMetadata...` or empty."""
    accept = request.headers.get("accept", "")
    if "as=" not in accept:
        return ""
    for choice in accept.split(","):
        wanted = dict(p.strip().partition("=")[::2] for p in choice.split(";")[1:])
        if wanted.get("as") and wanted.get("v", "v1") == "v1":
            return wanted["as"].removesuffix("List")
        if not wanted.get("as"):
            return ""
    return ""


def body(kind: ServedKind, stored: bytes) -> bytes:
    """Return an object in the version asked for."""
    if kind.storage_api_version == kind.resource.api_version:
        return stored
    obj = msgspec.json.decode(stored)
    obj["apiVersion"] = kind.resource.api_version
    return msgspec.json.encode(obj)


def one(call: Call, stored: bytes, status: int = 200) -> ApiResponse:
    """Return the answer with one object."""
    match form(call.request):
        case "PartialObjectMetadata":
            return ApiResponse(status, msgspec.json.encode(partial(msgspec.json.decode(stored))))
    return ApiResponse(status, body(call.kind, stored))


def many(call: Call, entries: Sequence[Entry], meta: RawObject) -> ApiResponse:
    """Return the answer with a list."""
    kind = call.kind
    match form(call.request):
        case "PartialObjectMetadata":
            items = [partial(entry.decode()) for entry in entries]
            listed = {
                "kind": "PartialObjectMetadataList",
                "apiVersion": _META,
                "metadata": meta,
                "items": items,
            }
            return ApiResponse(200, msgspec.json.encode(listed))
    head = {
        "kind": f"{kind.resource.kind}List",
        "apiVersion": kind.resource.api_version,
        "metadata": meta,
    }
    items_json = b",".join(body(kind, entry.body) for entry in entries)
    return ApiResponse(
        200, b"".join((msgspec.json.encode(head)[:-1], b',"items":[', items_json, b"]}"))
    )


def partial(obj: RawObject) -> RawObject:
    """Return only the metadata of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": _META, "metadata": obj["metadata"]}


def event(call: Call, type_: str, what: Entry | int) -> bytes:
    """Return one line of a watch."""
    if isinstance(what, int):
        return bookmark(call, what)
    match form(call.request):
        case "PartialObjectMetadata":
            shown = msgspec.json.encode(partial(what.decode()))
        case _:
            shown = body(call.kind, what.body)
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
