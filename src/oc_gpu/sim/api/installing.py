"""Objects that are there before anybody asks: what the installation of a cluster leaves."""

import msgspec

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api import writing
from oc_gpu.sim.api.backend import Backend
from oc_gpu.sim.api.errors import no_such_path
from oc_gpu.sim.api.messages import SIMULATOR, ApiRequest
from oc_gpu.sim.api.routing import Call

_HEADERS = {"user-agent": "cluster-bootstrap/1"}


def install(backend: Backend, obj: RawObject) -> RawObject:
    """Store a new object together with its status, and return it as stored.

    Raises:
        StatusError: It is refused.
    """
    kind = backend.registry.find_kind(obj.get("apiVersion", ""), obj.get("kind", ""))
    if kind is None:
        raise no_such_path()
    fresh: RawObject = msgspec.json.decode(msgspec.json.encode(obj))
    meta = fresh.setdefault("metadata", {})
    namespace = meta.get("namespace", "") if kind.resource.namespaced else ""
    request = ApiRequest("POST", "", headers=_HEADERS, user=SIMULATOR)
    call = Call(request, kind, "create", namespace)
    stored: RawObject = msgspec.json.decode(writing.store_new(backend, call, fresh).body)
    return stored
