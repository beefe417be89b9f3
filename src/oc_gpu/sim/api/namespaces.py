"""The end of a namespace: its content goes first, then it goes itself."""

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api import deleting
from oc_gpu.sim.api.backend import Backend
from oc_gpu.sim.api.kinds import ServedKind
from oc_gpu.sim.api.messages import SIMULATOR, ApiRequest
from oc_gpu.sim.api.routing import Call
from oc_gpu.sim.api.store import Entry

KEY = ("", "namespaces")


class NamespaceLifecycle:
    """Empties namespaces that are being deleted, and removes them when they are empty.

    Args:
        backend: State of the server; removals are listened to.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        backend.marked.append(self._on_marked)
        backend.removed.append(self._on_removed)

    def terminate(self, name: str) -> None:
        """Delete everything in a namespace that was marked as going."""
        backend = self._backend
        namespaces = self._kind()
        entry = backend.find(namespaces, "", name)
        if entry is None or "deletionTimestamp" not in entry.decode()["metadata"]:
            return
        for kind, found in self._content(name):
            self._delete(kind, found)
        self._finish(name)

    def _on_marked(self, kind: ServedKind, entry: Entry) -> None:
        if kind.key == KEY:
            self.terminate(entry.name)

    def _kind(self) -> ServedKind:
        kind = self._backend.registry.by_key(KEY)
        assert kind is not None  # noqa: S101  # it is built in
        return kind

    def _content(self, namespace: str) -> list[tuple[ServedKind, Entry]]:
        backend, found = self._backend, []
        for key in backend.store.kinds():
            kind = backend.registry.by_key(key)
            if kind is not None and kind.resource.namespaced:
                entries = backend.store.of(key).select(namespace)
                found += [(kind, entry) for entry in entries]
        return found

    def _delete(self, kind: ServedKind, entry: Entry) -> None:
        current = self._backend.find(kind, entry.namespace, entry.name)
        if current is None:
            return
        request = ApiRequest("DELETE", "", user=SIMULATOR)
        call = Call(request, kind, "delete", entry.namespace, entry.name)
        deleting.delete_entry(self._backend, call, current, deleting.DeleteOptions())

    def _on_removed(self, kind: ServedKind, entry: Entry) -> None:
        if kind.resource.namespaced:
            self._finish(entry.namespace)

    def _finish(self, name: str) -> None:
        backend, namespaces = self._backend, self._kind()
        entry = backend.find(namespaces, "", name)
        if entry is None or entry.fields["status.phase"] != "Terminating" or self._content(name):
            return
        last: RawObject = entry.decode()
        last["spec"].pop("finalizers", None)
        if last["metadata"].get("finalizers"):
            backend.put(namespaces, last)
        else:
            backend.remove(namespaces, last)
