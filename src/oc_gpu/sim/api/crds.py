"""CustomResourceDefinitions: creating one serves its kind, deleting one takes its objects along."""

from collections.abc import Iterator

from oc_gpu.kube.objects import RawObject, Resource
from oc_gpu.sim.api import deleting
from oc_gpu.sim.api.backend import Backend
from oc_gpu.sim.api.kinds import ServedKind
from oc_gpu.sim.api.messages import SIMULATOR, ApiRequest
from oc_gpu.sim.api.routing import Call
from oc_gpu.sim.api.store import Entry, KindKey
from oc_gpu.sim.api.structural import CustomSchema

KEY: KindKey = deleting.DEFINITIONS


class Definitions:
    """Keeps the served kinds in step with the stored definitions.

    Args:
        backend: State of the server; changes of definitions are listened to.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        backend.changed.append(self._on_changed)
        backend.marked.append(self._on_marked)
        backend.removed.append(self._on_removed)

    def _on_changed(self, kind: ServedKind, entry: Entry) -> None:
        if kind.key != KEY:
            return
        definition = entry.decode()
        self._backend.registry.replace(_served_key(definition), served(definition))
        if not (definition.get("status") or {}).get("acceptedNames"):
            _establish(self._backend, definition)
            self._backend.put(kind, definition)

    def _on_marked(self, kind: ServedKind, entry: Entry) -> None:
        if kind.key != KEY:
            return
        backend, definition = self._backend, entry.decode()
        self._terminating(kind, definition)
        for instance in list(backend.store.of(_served_key(definition)).select()):
            self._delete(_served_key(definition), instance)
        self._finish(entry.name)

    def _terminating(self, kind: ServedKind, definition: RawObject) -> None:
        """Say in the status that the objects are being deleted."""
        going = _condition(
            "Terminating",
            "InstanceDeletionInProgress",
            "CustomResource deletion is in progress",
            self._backend.timestamp(),
        )
        conditions = definition["status"]["conditions"]
        definition["status"]["conditions"] = [*conditions, going]
        self._backend.put(kind, definition)

    def _delete(self, key: KindKey, entry: Entry) -> None:
        served_kind = self._backend.registry.by_key(key)
        if served_kind is None:
            return
        request = ApiRequest("DELETE", "", user=SIMULATOR)
        call = Call(request, served_kind, "delete", entry.namespace, entry.name)
        deleting.delete_entry(self._backend, call, entry, deleting.DeleteOptions())

    def _on_removed(self, kind: ServedKind, entry: Entry) -> None:
        if kind.key == KEY:
            key = _served_key(entry.decode())
            self._backend.registry.replace(key, ())
            self._backend.store.close_watches(key)
        elif kind.schema is not None:
            self._finish(f"{kind.resource.plural}.{kind.resource.group}")

    def _finish(self, name: str) -> None:
        """Let a definition go once its objects are gone."""
        backend = self._backend
        kind = backend.registry.by_key(KEY)
        entry = backend.store.of(KEY).entries.get(("", name))
        if kind is None or entry is None:
            return
        definition = entry.decode()
        meta = definition["metadata"]
        left = next(backend.store.of(_served_key(definition)).select(), None)
        if left is not None or deleting.CLEANUP not in (meta.get("finalizers") or []):
            return
        meta["finalizers"] = [f for f in meta["finalizers"] if f != deleting.CLEANUP]
        if not deleting.remove_if_released(backend, kind, definition):
            backend.put(kind, definition)


def _served_key(definition: RawObject) -> KindKey:
    spec = definition["spec"]
    return (spec["group"], spec["names"]["plural"])


def served(definition: RawObject) -> Iterator[ServedKind]:
    """Give the kinds that a definition serves, one per version."""
    spec = definition["spec"]
    names = spec["names"]
    storage = next((v["name"] for v in spec["versions"] if v.get("storage")), "")
    for version in spec["versions"]:
        if not version.get("served", True):
            continue
        parts = version.get("subresources") or {}
        resource = Resource(
            spec["group"],
            version["name"],
            names["plural"],
            names["kind"],
            spec.get("scope") != "Cluster",
        )
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        open_schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        yield ServedKind(
            resource,
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            subresources=("status",) if "status" in parts else (),
            generation=True,
            storage_version=storage,
            schema=CustomSchema(schema or open_schema),
            native=False,
            singular=names.get("singular", ""),
            columns=tuple(version.get("additionalPrinterColumns") or ()),
        )


def _establish(backend: Backend, definition: RawObject) -> None:
    """Say in the status that the names are accepted and the kind is served."""
    spec = definition["spec"]
    names = dict(spec["names"])
    names.setdefault("singular", names["kind"].lower())
    names.setdefault("listKind", f"{names['kind']}List")
    spec["names"] = names
    spec.setdefault("conversion", {"strategy": "None"})
    now = backend.timestamp()
    told = "the initial names have been accepted"
    accepted = _condition("NamesAccepted", "NoConflicts", "no conflicts found", now)
    established = _condition("Established", "InitialNamesAccepted", told, now)
    stored = [version["name"] for version in spec["versions"] if version.get("storage")]
    definition["status"] = {
        "acceptedNames": names,
        "conditions": [accepted, established],
        "storedVersions": stored,
    }


def _condition(type_: str, reason: str, message: str, now: str) -> RawObject:
    return {
        "type": type_,
        "status": "True",
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }
