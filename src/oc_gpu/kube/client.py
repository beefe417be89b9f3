"""The verbs of the Kubernetes API, over any transport.

Verbs that name one object look in the client's namespace when none is given; `list` and `watch`
without one look in all namespaces.
"""

from typing import TYPE_CHECKING, Self

from msgspec import Struct

from oc_gpu.kube.codec import decode, encode
from oc_gpu.kube.errors import Asked
from oc_gpu.kube.objects import RawObject, Resource, ServerVersion
from oc_gpu.kube.pods import PodVerbs
from oc_gpu.kube.reading import Reading
from oc_gpu.kube.resources import SELF_SUBJECT_ACCESS_REVIEWS
from oc_gpu.kube.sending import Call, Retry, Sender
from oc_gpu.kube.transport import Transport
from oc_gpu.kube.writing import Writing

if TYPE_CHECKING:
    from oc_gpu.kube.connect import ConnectOptions
    from oc_gpu.kube.discovery import Discovery


class Origin(Struct, frozen=True):
    """Where a client's connection came from: URL without credentials, context of the kubeconfig."""

    server: str = ""
    context_name: str | None = None


class Client(Reading, Writing, PodVerbs):
    """Speaks to one API server as one user.

    Args:
        transport: What carries the requests.
        namespace: Where verbs that name an object look when none is given.
        field_manager: Name under which this program's writes are kept by the server.
        retry: How patient it is.
        origin: Where the transport leads, for the user's eyes.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        namespace: str = "default",
        field_manager: str = "oc-gpu",
        retry: Retry | None = None,
        origin: Origin | None = None,
    ) -> None:
        self.namespace = namespace
        self.field_manager = field_manager
        self._origin = origin or Origin()
        self._sender = Sender(transport, retry or Retry())

    @classmethod
    def connect(cls, options: "ConnectOptions") -> "Client":
        """Return a client for a kubeconfig's context, or for the cluster that this pod runs in.

        Nothing is sent yet; credential plugins run at the first request.

        Raises:
            ConfigError: The kubeconfig cannot be used.
        """
        from oc_gpu.kube.connect import connect  # noqa: PLC0415 - simulations need none of it

        return connect(options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Release the connections."""
        await self._sender.transport.aclose()

    @property
    def server(self) -> str:
        """Return the server's URL, without credentials."""
        return self._origin.server

    @property
    def context_name(self) -> str | None:
        """Return the context of the kubeconfig, None without one."""
        return self._origin.context_name

    @property
    def server_time(self) -> float | None:
        """Return the epoch seconds of the last answer, by the cluster's clock."""
        return self._sender.server_time

    async def version(self) -> ServerVersion:
        """Return the server's version."""
        asked = Asked("get", name="/version")
        response = await self._sender.send(Call(asked, "GET", "/version", repeatable=True))
        return decode(response.body, ServerVersion, asked)

    async def discover(self) -> "Discovery":
        """Return the kinds that the server serves."""
        from oc_gpu.kube import discovery  # noqa: PLC0415 - few commands ask for it

        return await discovery.discover(self._sender)

    async def can_i(
        self,
        verb: str,
        resource: Resource,
        namespace: str | None = None,
        name: str | None = None,
        subresource: str | None = None,
    ) -> bool:
        """Tell whether this user has a right, by asking the server."""
        attributes = {
            "verb": verb,
            "group": resource.group,
            "version": resource.version,
            "resource": resource.plural,
            "subresource": subresource,
            "namespace": namespace if resource.namespaced else None,
            "name": name,
        }
        review: RawObject = {
            "apiVersion": SELF_SUBJECT_ACCESS_REVIEWS.api_version,
            "kind": SELF_SUBJECT_ACCESS_REVIEWS.kind,
            "spec": {"resourceAttributes": {k: v for k, v in attributes.items() if v}},
        }
        asked = Asked("create", SELF_SUBJECT_ACCESS_REVIEWS)
        target = SELF_SUBJECT_ACCESS_REVIEWS.path()
        answer = await self._write(Call(asked, "POST", target, encode(review), repeatable=True))
        return bool(answer.get("status", {}).get("allowed"))
