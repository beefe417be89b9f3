"""The API server: one function from requests to answers."""

from collections.abc import Callable, Sequence

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api import deleting, installing, reading, writing
from oc_gpu.sim.api.access import Access
from oc_gpu.sim.api.backend import Backend, Identity, KubeletApi
from oc_gpu.sim.api.crds import Definitions
from oc_gpu.sim.api.errors import no_such_path
from oc_gpu.sim.api.messages import ApiRequest, ApiResponse, ApiStream, StatusError
from oc_gpu.sim.api.namespaces import NamespaceLifecycle
from oc_gpu.sim.api.routing import Call, route
from oc_gpu.sim.clock import VirtualClock
from oc_gpu.sim.scenario import DenyRule

_Verb = Callable[[Backend, Call], ApiResponse | ApiStream]

_VERBS: dict[str, _Verb] = {
    "get": reading.get,
    "list": reading.list_,
    "watch": reading.watch,
    "create": writing.create,
    "update": writing.update,
    "patch": writing.patch,
    "delete": deleting.delete,
    "deletecollection": deleting.delete_collection,
}
_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


class ApiServer:
    """A Kubernetes API server over a store in memory.

    Args:
        clock: Simulated time; every timestamp comes from it.
        identity: Name, scenario and Kubernetes version to tell.
        denied: What the users (not the simulated actors) may not do.
    """

    def __init__(
        self,
        clock: VirtualClock,
        identity: Identity | None = None,
        *,
        denied: Sequence[DenyRule] = (),
    ) -> None:
        self.clock = clock
        self.backend = Backend(clock, identity or Identity(), Access(denied))
        NamespaceLifecycle(self.backend)
        Definitions(self.backend)

    @property
    def kubelet(self) -> KubeletApi | None:
        """Return what serves logs and exec."""
        return self.backend.kubelet

    @kubelet.setter
    def kubelet(self, kubelet: KubeletApi) -> None:
        self.backend.kubelet = kubelet

    def install(self, obj: RawObject) -> RawObject:
        """Put an object in place as the cluster's installation left it, with its status.

        Returns:
            The object as it is stored.

        Raises:
            StatusError: It is refused.
        """
        return installing.install(self.backend, obj)

    async def handle(self, request: ApiRequest) -> ApiResponse | ApiStream:
        """Answer a request; refusals are answers too."""
        self.clock.touch(external=request.external)
        try:
            return await self._answer(request)
        except StatusError as error:
            return error.response()
        finally:
            self.clock.touch(external=request.external)

    async def _answer(self, request: ApiRequest) -> ApiResponse | ApiStream:
        if not request.path.startswith(("/api/", "/apis/")):
            raise no_such_path()
        call = route(self.backend.registry, request)
        self.backend.access.check(call.attempt)
        answer = _VERBS[call.verb](self.backend, call)
        if call.verb in _WRITES:
            self.backend.writes.count(request)
        return answer
