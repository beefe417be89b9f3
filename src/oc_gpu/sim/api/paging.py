"""Which moment a list shows, and where a page of it begins."""

import base64
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api.errors import (
    Cause,
    bad_request,
    expired,
    invalid_options,
    too_large_version,
)
from oc_gpu.sim.api.messages import StatusError
from oc_gpu.sim.api.store import Collection, ObjectKey, Store

_TOKEN_VERSION = "meta.k8s.io/v1"  # noqa: S105  # a version, no secret
_AS_IT_IS_NOW = -1
"""Version in the token of one who goes on although the list's own moment is forgotten."""
_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can "
    "start a new list without the continue parameter, or use the continue token in this response "
    "to retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)
_FORBIDDEN = "FieldValueForbidden"


class _Token(Struct, frozen=True):
    """Where the next page begins: the real server's own form."""

    v: str
    rv: int
    start: str


class Page(Struct, frozen=True):
    """What a page is cut from.

    Attributes:
        objects: The objects at the moment that the list shows.
        version: That moment.
        after: Last object of the page before.
        limit: Most objects on it, 0 for all.
    """

    objects: Collection
    version: int
    after: ObjectKey | None
    limit: int

    def next(self, last: ObjectKey) -> str:
        """Return the token for what comes after an object."""
        return _encoded(self.version, last)


def page(store: Store, objects: Collection, params: Mapping[str, str]) -> Page:
    """Return which page of which moment a query asks for.

    Raises:
        StatusError: 400 or 422, it makes no sense; 410, its moment is forgotten; 504, its moment
            is still to come.
    """
    limit = _limit(params.get("limit", ""))
    token = params.get("continue", "")
    if token:
        return _continued(store, objects, token, limit)
    version, match = params.get("resourceVersion", ""), params.get("resourceVersionMatch", "")
    check_match(version, match)
    wanted = parse_version(version)
    if wanted > store.version:
        raise too_large_version(wanted, store.version)
    if match != "Exact":
        return Page(objects, store.version, None, limit)
    then = objects.at(wanted)
    if then is None:
        raise expired(f"The resourceVersion for the provided list is too old: {wanted}")
    return Page(then, wanted, None, limit)


def parse_version(text: str) -> int:
    """Return a version that a client gave; none is 0.

    Raises:
        StatusError: 400.
    """
    if text and not text.isdecimal():
        raise bad_request(f'invalid resource version "{text}": not a number')
    return int(text or 0)


def check_match(version: str, match: str) -> None:
    """Refuse a way of matching a version that does not fit to the version.

    Raises:
        StatusError: 422.
    """
    field = "resourceVersionMatch"
    if match and not version:
        text = f"Forbidden: {field} is forbidden unless resourceVersion is provided"
        raise invalid_options("ListOptions", [Cause(field, text, _FORBIDDEN)])
    if match not in {"", "Exact", "NotOlderThan"}:
        text = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
        raise invalid_options("ListOptions", [Cause(field, text, "FieldValueNotSupported")])
    if match == "Exact" and version == "0":
        text = f'Forbidden: {field} "exact" is forbidden for resourceVersion "0"'
        raise invalid_options("ListOptions", [Cause(field, text, _FORBIDDEN)])


def _limit(text: str) -> int:
    try:
        return int(text or 0)
    except ValueError as error:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error


def _continued(store: Store, objects: Collection, text: str, limit: int) -> Page:
    token, after = _decoded(text)
    if token.rv == _AS_IT_IS_NOW:
        return Page(objects, store.version, after, limit)
    then = objects.at(token.rv)
    if then is None:
        raise _expired_page(after)
    return Page(then, token.rv, after, limit)


def _expired_page(after: ObjectKey) -> StatusError:
    error = expired(_TOO_OLD)
    error.metadata = {"continue": _encoded(_AS_IT_IS_NOW, after)}
    return error


def _encoded(version: int, last: ObjectKey) -> str:
    start = "/".join(filter(None, last)) + "\0"
    token: RawObject = {"v": _TOKEN_VERSION, "rv": version, "start": start}
    return base64.urlsafe_b64encode(msgspec.json.encode(token)).decode().rstrip("=")


def _decoded(text: str) -> tuple[_Token, ObjectKey]:
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        token = msgspec.json.decode(plain, type=_Token)
    except ValueError as error:
        raise bad_request(f"continue key is not valid: {error}") from error
    if token.v != _TOKEN_VERSION or not token.start:
        raise bad_request("continue key is not valid: encoded continue token version is not known")
    namespace, _, name = token.start.removesuffix("\0").rpartition("/")
    return token, (namespace, name)
