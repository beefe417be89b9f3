"""Verbs that read objects: get, find, list, watch."""

from collections.abc import AsyncGenerator
from typing import Any, TypeVar, overload

from oc_gpu.kube import listing
from oc_gpu.kube.codec import decode
from oc_gpu.kube.errors import Asked, NotFoundError
from oc_gpu.kube.listing import Selection, with_query
from oc_gpu.kube.objects import ListResult, RawObject, Resource, WatchEvent
from oc_gpu.kube.resources import NODES
from oc_gpu.kube.sending import Call
from oc_gpu.kube.session import Session
from oc_gpu.kube.watching import Watch

T = TypeVar("T")


class Reading(Session):
    """Verbs that read; what they return is raw, or the partial Struct that is asked for."""

    async def read(self, target: str, *, method: str = "GET") -> bytes:
        """Return what a path answers that is no object, such as `/version`.

        Args:
            target: Path, with the query.
            method: HTTP method; asked again after a failure, so one that may be repeated.
        """
        asked = Asked(method.lower(), name=target)
        call = Call(asked, method, target, accept="*/*", repeatable=True)
        return bytes((await self._sender.send(call)).body)

    async def journal(self, node: str, pattern: str) -> str:
        """Return the lines of a node's journal since its boot that match a pattern.

        It is what `oc adm node-logs NODE --boot=0 --grep=PATTERN` shows, and needs the right to
        get `nodes/proxy`.

        Args:
            node: Name of the node.
            pattern: Regular expression as journalctl takes it.
        """
        path = NODES.path(name=node, subresource="proxy")
        target = with_query(f"{path}/logs/journal", boot="0", grep=pattern)
        call = Call(
            Asked("get", NODES, node, None, "proxy"), "GET", target, accept="*/*", repeatable=True
        )
        return (await self._sender.send(call)).body.decode(errors="replace")

    @overload
    async def get(
        self, resource: Resource, name: str, namespace: str | None = None
    ) -> RawObject: ...
    @overload
    async def get(
        self, resource: Resource, name: str, namespace: str | None = None, *, type: type[T]
    ) -> T: ...
    async def get(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        type: Any = RawObject,  # noqa: A002 - reads best at the call
    ) -> Any:
        """Return one object, raw or as the partial Struct that is asked for.

        Raises:
            NotFoundError: It is not there.
        """
        asked = self._asked("get", resource, name, namespace)
        target = resource.path(asked.namespace, name)
        response = await self._sender.send(Call(asked, "GET", target, repeatable=True))
        return decode(response.body, type, asked)

    @overload
    async def find(
        self, resource: Resource, name: str, namespace: str | None = None
    ) -> RawObject | None: ...
    @overload
    async def find(
        self, resource: Resource, name: str, namespace: str | None = None, *, type: type[T]
    ) -> T | None: ...
    async def find(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        type: Any = RawObject,  # noqa: A002
    ) -> Any:
        """Return one object, None when it is not there."""
        try:
            return await self.get(resource, name, namespace, type=type)
        except NotFoundError:
            return None

    @overload
    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int = listing.PAGE,
    ) -> ListResult[RawObject]: ...
    @overload
    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int = listing.PAGE,
        type: type[T],
    ) -> ListResult[T]: ...
    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int = listing.PAGE,
        type: Any = RawObject,  # noqa: A002
    ) -> Any:
        """Return all objects of a kind, in one namespace or in all.

        Args:
            resource: Kind.
            namespace: Namespace, None for all.
            label_selector: Such as `app=x,tier!=y`.
            field_selector: Such as `spec.nodeName=worker01`.
            limit: Objects per request; all pages are fetched.
            type: What the items are decoded to.
        """
        selection = Selection(resource, namespace, label_selector, field_selector)
        return await listing.fetch(self._sender, selection, type, limit=limit)

    async def list_metadata(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        type: type[T],  # noqa: A002
    ) -> ListResult[T]:
        """Return the metadata of all objects of a kind, which is all that is sent of them.

        Args:
            resource: Kind.
            namespace: Namespace, None for all.
            type: What the items are decoded to.
        """
        selection = Selection(resource, namespace, metadata=True)
        return await listing.fetch(self._sender, selection, type)

    @overload
    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        patient: bool = False,
    ) -> AsyncGenerator[WatchEvent[RawObject]]: ...
    @overload
    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        patient: bool = False,
        type: type[T],
    ) -> AsyncGenerator[WatchEvent[T]]: ...
    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        patient: bool = False,
        type: Any = RawObject,  # noqa: A002
    ) -> Any:
        """List, then yield changes for ever, across broken connections and expired versions.

        The first event is `Replaced`; another one comes whenever the list had to be taken again.

        Args:
            resource: Kind.
            namespace: Namespace, None for all.
            label_selector: Such as `app=x,tier!=y`.
            field_selector: Such as `spec.nodeName=worker01`.
            patient: Whether the first list, too, outlasts an outage: for a watch that is opened
                in the middle of a run. Without, a server that is away is told soon.
            type: What the items are decoded to.

        Raises:
            ApiError: The server refuses (401, 403), or the kind is not served (404).
        """
        selection = Selection(resource, namespace, label_selector, field_selector)
        return Watch(self._sender, selection, type, patient=patient).events()
