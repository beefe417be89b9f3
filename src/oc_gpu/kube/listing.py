"""Whole lists, fetched page by page."""

from typing import Any, TypeVar
from urllib.parse import urlencode

from msgspec import Struct

from oc_gpu.kube.codec import decode_list
from oc_gpu.kube.errors import Asked, GoneError
from oc_gpu.kube.objects import ListResult, Resource
from oc_gpu.kube.sending import Call, Sender
from oc_gpu.kube.sharing import Sharing

T = TypeVar("T")

PAGE = 500
"""Objects per page, what kubectl asks for: bounds the server's memory and each answer's time."""
_WHOLE = "application/json"
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
"""Asks for metadata alone; a server that does not know the form sends whole objects."""
_RESTARTS = 3
"""How often a list is begun anew after its continue token expired; then it is asked for whole."""


class Selection(Struct, frozen=True):
    """Which objects of one kind."""

    resource: Resource
    namespace: str | None = None
    label_selector: str | None = None
    field_selector: str | None = None
    metadata: bool = False
    """Whether only the metadata of the objects is asked for."""

    def asked(self, verb: str) -> Asked:
        """Return how errors name it."""
        return Asked(verb, self.resource, None, self.namespace)

    def target(self, **more: str | int | None) -> str:
        """Return path and query, with more query parameters."""
        return with_query(
            self.resource.path(self.namespace),
            labelSelector=self.label_selector,
            fieldSelector=self.field_selector,
            **more,
        )


def with_query(path: str, **parameters: str | int | None) -> str:
    """Return a path with the query parameters that are set."""
    given = {name: value for name, value in parameters.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


async def fetch(
    sender: Sender,
    selection: Selection,
    type_: type[T],
    *,
    limit: int = PAGE,
    sharing: Sharing | None = None,
) -> ListResult[T]:
    """Return all selected objects, from one consistent version of the server's store.

    Args:
        sender: Sends.
        selection: Which objects.
        type_: What they are decoded to.
        limit: Objects per request.
        sharing: What the objects share parts with, one another by default.

    Raises:
        ApiError: The server answered with an error.
    """
    for page in (*(limit,) * _RESTARTS, 0):
        try:
            return await _pages(sender, selection, type_, page, sharing or Sharing())
        except GoneError:
            if not page:
                raise
    raise AssertionError  # the last round returns or raises


async def _pages(
    sender: Sender, selection: Selection, type_: type[T], limit: int, sharing: Sharing
) -> ListResult[T]:
    asked = selection.asked("list")
    items: list[Any] = []
    token = ""
    while True:
        target = selection.target(limit=limit or None, **{"continue": token})
        accept = _METADATA if selection.metadata else _WHOLE
        call = Call(asked, "GET", target, accept=accept, repeatable=True, compressed=True)
        response = await sender.send(call)
        page = decode_list(response.body, type_, asked)
        for item in page.items or ():
            sharing.of(item)
        if not items:
            items = page.items or []
        else:
            items += page.items or []
        token = page.metadata.continue_
        if not token:
            return ListResult(items, page.metadata.resource_version)
