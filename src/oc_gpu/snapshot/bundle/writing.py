"""A bundle as files, in the layout of `oc adm inspect` (openshift/oc, pkg/cli/admin/inspect).

Everything that is written goes through redaction here, whatever it is.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from oc_gpu.kube import RawObject, yamlfile
from oc_gpu.snapshot.bundle import record
from oc_gpu.snapshot.bundle.layout import CORE, RECORD
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.redaction import Known, found_in, redact, redact_text
from oc_gpu.snapshot.sources import Source
from oc_gpu.snapshot.texts import TextRef

_LISTS = frozenset({"config.openshift.io"})
"""Groups whose cluster-wide objects `oc adm inspect` writes as lists."""


class Content(Struct, frozen=True):
    """One file of a bundle."""

    path: str
    raw: bytes


class Contents(Struct, frozen=True):
    """What goes into a bundle, as it was read.

    Attributes:
        snapshot: What is known of the cluster, and of what is not.
        tables: The objects to write by source: raw, or as far as they were asked for.
        sources: The sources.
        logs: Logs by what they are.
    """

    snapshot: Snapshot
    tables: Mapping[str, tuple[Any, ...]]
    sources: tuple[Source, ...]
    logs: Mapping[TextRef, str]


def files(contents: Contents) -> Iterator[Content]:
    """Yield the files of a bundle, without anything secret."""
    by_source = {source.name: source for source in contents.sources}
    tables = {
        name: [_whole(item, by_source[name]) for item in items]
        for name, items in contents.tables.items()
    }
    known = found_in(raw for items in tables.values() for raw in items)
    for name, items in tables.items():
        yield from _table(by_source[name], [redact(raw, known) for raw in items])
    yield from _texts(contents, known)
    yield from _about(contents, {name: len(items) for name, items in tables.items()}, known)


def _whole(item: Any, source: Source) -> RawObject:
    """Return an object with the kind that lists leave out, from raw or from metadata alone."""
    raw = item if isinstance(item, dict) else _without_empty(msgspec.to_builtins(item))
    named = {"apiVersion": source.resource.api_version, "kind": source.resource.kind}
    return {**named, **raw}


def _without_empty(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {k: _without_empty(v) for k, v in value.items() if v not in ("", None, [], {}, 0)}


def _table(source: Source, items: list[RawObject]) -> Iterator[Content]:
    group = source.resource.group or CORE
    spaces: dict[str, list[RawObject]] = {}
    for raw in items:
        spaces.setdefault(str(raw["metadata"].get("namespace") or ""), []).append(raw)
    for space, inside in spaces.items():
        if space:
            base = f"namespaces/{_name(space)}"
            yield _list(f"{base}/{group}/{source.resource.plural}.yaml", source, inside)
            if source.name == "pods":
                yield from _pods(base, inside)
        elif source.name == "namespaces":
            yield from (_namespace(raw) for raw in inside)
        elif group in _LISTS:
            path = f"cluster-scoped-resources/{group}/{source.resource.plural}.yaml"
            yield _list(path, source, inside)
        else:
            yield from _singles(
                f"cluster-scoped-resources/{group}/{source.resource.plural}", inside
            )


def _list(path: str, source: Source, items: list[RawObject]) -> Content:
    head = {"apiVersion": source.resource.api_version, "kind": f"{source.resource.kind}List"}
    return _yaml(path, {**head, "items": items})


def _singles(folder: str, items: Iterable[RawObject]) -> Iterator[Content]:
    return (_yaml(f"{folder}/{_name(raw['metadata']['name'])}.yaml", raw) for raw in items)


def _namespace(raw: RawObject) -> Content:
    name = _name(raw["metadata"]["name"])
    return _yaml(f"namespaces/{name}/{name}.yaml", raw)


def _pods(base: str, items: Iterable[RawObject]) -> Iterator[Content]:
    for raw in items:
        name = _name(raw["metadata"]["name"])
        yield _yaml(f"{base}/pods/{name}/{name}.yaml", raw)


def _name(name: str) -> str:
    """Return a name as a part of a path: names of some kinds may hold what a path cannot."""
    return name.replace("/", "_").replace("\0", "_").lstrip(".") or "_"


def _yaml(path: str, value: Any) -> Content:
    return Content(path, yamlfile.dump(value).encode())


def _texts(contents: Contents, known: Known) -> Iterator[Content]:
    for ref, told in contents.logs.items():
        pod = f"namespaces/{_name(ref.namespace)}/pods/{_name(ref.pod)}"
        part = _name(ref.container)
        name = "previous.log" if ref.previous else "current.log"
        path = f"{pod}/{part}/{part}/logs/{name}"
        yield Content(path, redact_text(told, known).encode())
    for node, told in contents.snapshot.journals.items():
        yield Content(f"nodes/{_name(node)}/dmesg", redact_text(told, known).encode())


def _about(contents: Contents, counts: Mapping[str, int], known: Known) -> Iterator[Content]:
    resources = {
        source.name: ".".join(filter(None, (source.resource.plural, source.resource.group)))
        for source in contents.sources
    }
    made = record.of(contents.snapshot, resources, counts)
    yield Content(RECORD, redact_text(record.encode(made).decode(), known).encode())
    when = datetime.fromtimestamp(contents.snapshot.now, UTC)
    yield Content("timestamp", f"{when:%Y-%m-%d %H:%M:%S} +0000 UTC\n".encode())
