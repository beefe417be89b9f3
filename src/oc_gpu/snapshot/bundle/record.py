"""The file in which a bundle of ours says what was read, and what could not be read and why."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct, field

from oc_gpu.snapshot.bundle.files import Notes, whole
from oc_gpu.snapshot.bundle.index import Index
from oc_gpu.snapshot.bundle.layout import RECORD
from oc_gpu.snapshot.model import Snapshot, Unread


class Table(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What became of one source.

    Attributes:
        resource: Its kind, as `oc get` takes it.
        objects: How many objects are in the bundle.
        unread: Why all of it, or the rest, could not be read; empty when it was read.
        detail: What the server said.
    """

    resource: str = ""
    objects: int = 0
    unread: str = ""
    detail: str = ""


class Record(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a bundle holds and lacks.

    Attributes:
        made_by: Program that wrote it.
        kubernetes: Version as the server told it.
        simulated: Whether the server said that it is a simulation.
        sources: What became of each source, by name.
        unlogged: Why logs and kernel messages that were asked for are not there.
    """

    kind: str = "Gathering"
    schema_version: int = 1
    made_by: str = "oc-gpu"
    kubernetes: str = ""
    simulated: bool = False
    sources: Mapping[str, Table] = field(default_factory=dict)
    unlogged: Mapping[str, str] = field(default_factory=dict)

    @property
    def read(self) -> frozenset[str]:
        """Return the names of the sources that were read, also those without any object."""
        return frozenset(name for name, table in self.sources.items() if not table.unread)

    @property
    def unread(self) -> dict[str, Unread]:
        """Return the sources that could not be read as a whole."""
        return {
            name: Unread(table.unread, table.detail)
            for name, table in self.sources.items()
            if table.unread
        }


def of(snapshot: Snapshot, resources: Mapping[str, str], counts: Mapping[str, int]) -> Record:
    """Return the record of what was read.

    Args:
        snapshot: What was read.
        resources: How `oc get` calls each source.
        counts: Objects in the bundle by source.
    """
    sources = {}
    for name, resource in resources.items():
        why = snapshot.unread.get(name, Unread(""))
        sources[name] = Table(resource, counts.get(name, 0), why.reason, why.detail)
    return Record(
        kubernetes=snapshot.git_version,
        simulated=snapshot.simulated,
        sources=sources,
        unlogged=snapshot.unlogged,
    )


def encode(record: Record) -> bytes:
    """Return the content of the file."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"


def find(index: Index, notes: Notes) -> Record:
    """Return the record of a bundle; an empty one where others made it, or it cannot be read."""
    for _, file in index.named.get(RECORD, []):
        try:
            return msgspec.json.decode(whole(file, notes), type=Record)
        except msgspec.DecodeError as error:
            notes.add(f"{file.path}: not the record of a bundle ({str(error)[:80]})")
    return Record()
