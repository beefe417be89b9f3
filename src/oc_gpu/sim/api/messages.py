"""Requests and answers of the API server, the same for sockets and for callers in this process."""

from collections.abc import AsyncIterator, Callable, Mapping
from functools import cached_property, lru_cache
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote

import msgspec
from msgspec import Struct

from oc_gpu.kube.objects import RawObject

JSON = "application/json"
ADMIN = "system:admin"
SIMULATOR = "system:simulator"
"""User of the simulated actors; a scenario's denied rights do not concern it."""

_TRUE = frozenset({"1", "true", "True", "t", "T", "TRUE"})
_EMPTY: Mapping[str, str] = MappingProxyType({})


class ApiRequest(Struct, frozen=True, dict=True):
    """One request.

    Attributes:
        method: HTTP method in capitals.
        path: Decoded path.
        params: Query parameters; the first of a repeated one counts.
        headers: Headers, names in lower case.
        body: Whole body.
        user: Who asks.
        external: Whether it came through a socket, from a client that lives in wall time.
        repeated: Query parameters with all their values, for exec's command.
    """

    method: str
    path: str
    params: Mapping[str, str] = _EMPTY
    headers: Mapping[str, str] = _EMPTY
    body: bytes = b""
    user: str = ADMIN
    external: bool = False
    repeated: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, method: str, target: str, **others: object) -> "ApiRequest":
        """Return a request for a target, which is an encoded path with its query."""
        path, _, query = target.partition("?")
        pairs = _parse_query(query) if query else ()
        fields: dict[str, object] = {
            "path": unquote(path) if "%" in path else path,
            "params": dict(reversed(pairs)),
            "repeated": pairs,
            **others,
        }
        return cls(method, **fields)  # type: ignore[arg-type]

    def flag(self, name: str) -> bool:
        """Tell whether a query parameter is true."""
        return self.params.get(name, "") in _TRUE

    def values(self, name: str) -> list[str]:
        """Return all values of a repeated query parameter."""
        return [value for key, value in self.repeated if key == name]

    @cached_property
    def dry_run(self) -> bool:
        """Tell whether nothing may be stored."""
        return self.params.get("dryRun") == "All"

    @property
    def content_type(self) -> str:
        """Return the body's media type without parameters."""
        return self.headers.get("content-type", JSON).partition(";")[0].strip()

    @property
    def manager(self) -> str:
        """Return the field manager: the one given, else the program of the user agent."""
        given = self.params.get("fieldManager")
        return given or self.headers.get("user-agent", "unknown").partition("/")[0][:128]


@lru_cache(maxsize=512)
def _parse_query(query: str) -> tuple[tuple[str, str], ...]:
    return tuple(parse_qsl(query, keep_blank_values=True))


class ApiResponse(Struct, frozen=True):
    """A whole answer."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = _EMPTY


def _nothing() -> None:
    """Let go of nothing."""


class ApiStream(Struct, frozen=True):
    """An answer whose body goes on.

    Attributes:
        status: HTTP status.
        chunks: Pieces of the body.
        content_type: Media type.
        release: Lets go of what the stream holds, also when it was never read.
    """

    status: int
    chunks: AsyncIterator[bytes]
    content_type: str = JSON
    release: Callable[[], None] = _nothing

    async def aclose(self) -> None:
        """End the stream before its end."""
        self.release()
        close = getattr(self.chunks, "aclose", None)
        if close is not None:
            await close()


class StatusError(Exception):
    """A refusal, as the `Status` object that the client gets.

    Attributes:
        code: HTTP status.
        reason: Machine-readable reason.
        message: Sentence for people.
        details: Object concerned and the single causes.
        metadata: What the answer's own metadata tells, such as where to go on.
    """

    def __init__(
        self, code: int, reason: str, message: str, details: RawObject | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.metadata: RawObject = {}

    def status(self) -> RawObject:
        """Return the `Status` object."""
        status: RawObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        return {**status, "code": self.code}

    def response(self) -> ApiResponse:
        """Return the answer."""
        return ApiResponse(self.code, msgspec.json.encode(self.status()))


def success(details: RawObject) -> ApiResponse:
    """Return the `Status` of a deletion that is done."""
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }
    return ApiResponse(200, msgspec.json.encode(status))
