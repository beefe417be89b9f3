"""The API server: one function from requests to answers."""

from collections.abc import Callable, Sequence
from email.utils import formatdate

import msgspec

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api import (
    deleting,
    discovery,
    faulting,
    installing,
    openapi,
    pods,
    reading,
    render,
    reviews,
    writing,
)
from oc_gpu.sim.api.access import Access
from oc_gpu.sim.api.backend import Backend, Identity, KubeletApi
from oc_gpu.sim.api.crds import Definitions
from oc_gpu.sim.api.errors import unavailable, unknown_path
from oc_gpu.sim.api.messages import ApiRequest, ApiResponse, ApiStream, StatusError
from oc_gpu.sim.api.namespaces import NamespaceLifecycle
from oc_gpu.sim.api.pods import ExecCall
from oc_gpu.sim.api.routing import Call, route
from oc_gpu.sim.clock import VirtualClock
from oc_gpu.sim.scenario import DenyRule, Scenario

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
_OBJECT_PARTS = frozenset({"", "status", "finalize"})
_HEALTH = frozenset({"/healthz", "/livez", "/readyz"})


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
        self.control: faulting.Control | None = None
        NamespaceLifecycle(self.backend)
        Definitions(self.backend)
        self._away = False

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

    def set_facts(self, scenario: Scenario) -> None:
        """Take over what a scenario says of rights and of admission webhooks."""
        self.backend.access.denied = scenario.denied
        self.backend.webhooks = scenario.webhooks

    def compact(self) -> None:
        """Forget the past, so that watches from older versions are answered with 410."""
        self.backend.store.compact()

    def close_watches(self) -> None:
        """End all watches, as a server does that goes down."""
        self.backend.store.close_watches()

    def go(self, *, away: bool) -> None:
        """Answer nobody from outside for a while, as the server of a single node that reboots."""
        self._away = away
        if away:
            self.close_watches()

    def date(self) -> str:
        """Return the simulated time as HTTP writes it."""
        return formatdate(self.clock.now(), usegmt=True)

    async def handle(self, request: ApiRequest) -> ApiResponse | ApiStream:
        """Answer a request; refusals are answers too."""
        self.clock.touch(external=request.external)
        try:
            return await self._answer(request)
        except StatusError as error:
            return error.response()
        finally:
            self.clock.touch(external=request.external)

    def command(self, request: ApiRequest) -> ExecCall:
        """Return the command that a WebSocket request asks to run.

        Raises:
            StatusError: It is not a command, not allowed, or cannot run.
        """
        self.clock.touch(external=request.external)
        call = route(self.backend.registry, request)
        self.backend.access.check(call.attempt)
        if call.subresource != "exec":
            raise unknown_path()
        return pods.exec_call(self.backend, call)

    async def _answer(self, request: ApiRequest) -> ApiResponse | ApiStream:
        if self._away and request.external:
            raise unavailable()
        parts = request.path.strip("/").split("/")
        depth = {"api": 2, "apis": 3}.get(parts[0], 0)
        if depth and len(parts) <= depth:
            return discovery.answer(self.backend, request)
        if not depth:
            return await self._beside(request)
        call = route(self.backend.registry, request)
        self.backend.access.check(call.attempt)
        if call.kind.resource.group in reviews.GROUPS:
            return reviews.review(self.backend, call)
        if call.subresource in _OBJECT_PARTS:
            render.check_form(request)
            answer = _VERBS[call.verb](self.backend, call)
        else:
            answer = await pods.answer(self.backend, call)
        if call.verb in _WRITES:
            self.backend.writes.count(request)
        return answer

    async def _beside(self, request: ApiRequest) -> ApiResponse:
        """Answer what lies outside of the resources."""
        path = request.path.rstrip("/")
        if path in _HEALTH:
            return ApiResponse(200, b"ok", "text/plain")
        if path == "/version":
            return discovery.version(self.backend)
        if path == "/simulation":
            return self._simulation()
        if path.startswith(faulting.PATH) and self.control is not None:
            return await faulting.answer(self.control, request)
        if path.startswith("/openapi/v3"):
            return openapi.answer(self.backend, request)
        raise unknown_path()

    def _simulation(self) -> ApiResponse:
        """Tell about the simulation itself; no real server has this."""
        identity, writes = self.backend.identity, self.backend.writes
        told = {
            "name": identity.name,
            "scenario": identity.scenario,
            "virtualSeconds": self.clock.elapsed,
            "now": self.backend.timestamp(),
            "writes": {
                "external": writes.external,
                "total": writes.total,
                "log": list(writes.log),
            },
        }
        return ApiResponse(200, msgspec.json.encode(told))
