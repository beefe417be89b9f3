"""JSON in and out, with one cached decoder per type."""

from functools import lru_cache
from typing import Any, Generic, TypeVar, cast

import msgspec
from msgspec import Struct, field

from oc_gpu.kube.errors import ApiError, Asked, OcGpuError, clean, error_class
from oc_gpu.kube.objects import RawObject
from oc_gpu.kube.transport import Body, Response

T = TypeVar("T")

_encoder = msgspec.json.Encoder()


class _Wire(Struct, frozen=True, rename="camel", gc=False):
    """Base of what the API server sends."""


class ListMeta(_Wire, frozen=True):
    """Metadata of one page of a list."""

    resource_version: str = ""
    continue_: str = field(default="", name="continue")


class ListEnvelope(_Wire, Generic[T], frozen=True):
    """One page of a list; Go servers write `null` for an empty slice now and then."""

    metadata: ListMeta = field(default_factory=ListMeta)
    items: list[T] | None = None
    kind: str = ""
    api_version: str = ""


class _Cause(_Wire, frozen=True):
    field: str = ""
    message: str = ""
    reason: str = ""


class _Details(_Wire, frozen=True):
    causes: list[_Cause] | None = None
    retry_after_seconds: int = 0


class Status(_Wire, frozen=True):
    """The `Status` object of errors, watches and exec."""

    kind: str = ""
    status: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details | None = None

    @property
    def causes(self) -> list[_Cause]:
        """Return the single causes, empty when none are told."""
        return (self.details and self.details.causes) or []

    def error(self, asked: Asked, status: int | None = None) -> ApiError:
        """Return the error that this answer to a request means."""
        code = status or self.code
        causes = tuple(
            f"{cause.field}: {cause.message}" if cause.field else cause.message
            for cause in self.causes
        )
        return error_class(code, self.reason)(
            asked, code, reason=self.reason, message=self.message, causes=causes
        )


class _RawOwner(_Wire, frozen=True):
    kind: str = ""
    name: str = ""


class _RawManager(_Wire, frozen=True):
    manager: str = ""
    subresource: str = ""
    fields_v1: dict[str, Any] | None = field(default=None, name="fieldsV1")


class _RawMeta(_Wire, frozen=True):
    name: str
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    creation_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None
    owner_references: list[_RawOwner] | None = None
    managed_fields: list[_RawManager] | None = None


class _RawShape(_Wire, frozen=True):
    """What every object is: who reads one raw relies on it."""

    metadata: _RawMeta
    spec: dict[str, Any] | None = None
    status: dict[str, Any] | None = None


def insist_on_shape(obj: object) -> None:
    """Insist that a raw object has the parts of an object, as far as it has them.

    Raises:
        msgspec.ValidationError: It has not.
    """
    msgspec.convert(obj, _RawShape)


@lru_cache(maxsize=256)
def decoder(type_: Any) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a type; making one costs more than a small decode."""
    return msgspec.json.Decoder(type_)


@lru_cache(maxsize=256)
def list_decoder(type_: Any) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a list page whose items are of a type."""
    return msgspec.json.Decoder(ListEnvelope[type_])


def read(decoder: "msgspec.json.Decoder[T]", body: Body) -> T:
    """Decode JSON in which `null` stands for a field that is not there.

    Go servers write it for an empty slice or map whose field is not `omitempty`. It is rare, so
    only a body that does not fit at first pays for being read again.

    Raises:
        msgspec.DecodeError: It is not JSON, or does not fit the type.
    """
    try:
        try:
            return decoder.decode(body)
        except msgspec.ValidationError:
            plain = _without_nulls(msgspec.json.decode(body))
            return msgspec.convert(plain, decoder.type)
    except RecursionError:
        raise msgspec.DecodeError("values are nested without end") from None
    except UnicodeDecodeError:
        raise msgspec.DecodeError("it is not UTF-8") from None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return [_without_nulls(v) for v in value] if isinstance(value, list) else value


def encode(value: Any) -> bytes:
    """Return the JSON of a value."""
    return _encoder.encode(value)


def decode(body: Body, type_: type[T], asked: Asked) -> T:
    """Decode an answer.

    Raises:
        OcGpuError: The answer is not what the API promises.
    """
    try:
        return cast("T", read(decoder(cast("Any", type_)), body))
    except msgspec.DecodeError as error:
        raise unreadable(asked, error) from error


def decode_list(body: Body, type_: type[T], asked: Asked) -> ListEnvelope[T]:
    """Decode one page of a list; raw items get the kind that a list leaves out.

    Raises:
        OcGpuError: The answer is not what the API promises.
    """
    try:
        page: ListEnvelope[T] = read(list_decoder(cast("Any", type_)), body)
        if type_ is RawObject or type_ == RawObject:
            _name_kinds(cast("ListEnvelope[RawObject]", page))
    except msgspec.DecodeError as error:
        raise unreadable(asked, error) from error
    return page


def _name_kinds(page: ListEnvelope[RawObject]) -> None:
    kind = page.kind.removesuffix("List")
    for item in page.items or ():
        insist_on_shape(item)
        if kind and "kind" not in item:
            item["kind"] = kind
            item["apiVersion"] = page.api_version


def unreadable(asked: Asked, error: Exception) -> OcGpuError:
    """Return the error for an answer that is not the JSON expected."""
    return OcGpuError(
        f"cannot {asked}: the answer is not what the Kubernetes API promises ({clean(str(error))})",
        hints=("check that the server of this context is an API server and not a web page",),
    )


def api_error(asked: Asked, response: Response) -> ApiError:
    """Return the error that an answer means; a body that is no `Status` is not repeated."""
    return read_status(response.body).error(asked, response.status)


def read_status(body: Body) -> Status:
    """Return the `Status` in a body, an empty one when there is none."""
    try:
        status: Status = read(decoder(Status), body)
    except msgspec.DecodeError:
        return Status()
    return status if status.kind == "Status" else Status()
