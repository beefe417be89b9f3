"""The refusals that a Kubernetes API server gives, in its own words."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from oc_gpu.kube.objects import RawObject, Resource
from oc_gpu.sim.api.messages import ApiResponse, StatusError


class Cause(Struct, frozen=True):
    """One reason why an object is invalid.

    Attributes:
        field: Path of the field.
        message: What is wrong, as the server says it.
        reason: Such as `FieldValueRequired`.
    """

    field: str
    message: str
    reason: str = "FieldValueInvalid"


def qualified(resource: Resource) -> str:
    """Return `plural` or `plural.group`."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def describe(resource: Resource, name: str) -> RawObject:
    """Return what an answer's details say of an object."""
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return {key: value for key, value in details.items() if value}


def not_found(resource: Resource, name: str) -> StatusError:
    """Return the 404 for an object that does not exist."""
    text = f'{qualified(resource)} "{name}" not found'
    return StatusError(404, "NotFound", text, describe(resource, name))


class UnknownPathError(StatusError):
    """The 404 for a path that no group answers: the one refusal that is no `Status`."""

    def response(self) -> ApiResponse:
        """Return the answer, which is plain text."""
        return ApiResponse(404, b"404 page not found\n", "text/plain; charset=utf-8")


def unknown_path() -> StatusError:
    """Return the 404 for a path that belongs to no group, or to one of definitions."""
    return UnknownPathError(404, "NotFound", "404 page not found")


def unavailable() -> StatusError:
    """Return the 503 of a server that is not there, as what stands before it words it."""
    text = "the server is currently unable to handle the request"
    return StatusError(503, "ServiceUnavailable", text)


def no_such_path() -> StatusError:
    """Return the 404 for what a built-in group does not have."""
    text = "the server could not find the requested resource"
    return StatusError(404, "NotFound", text, {})


def already_exists(resource: Resource, name: str) -> StatusError:
    """Return the 409 of a create for a name that is taken."""
    text = f'{qualified(resource)} "{name}" already exists'
    return StatusError(409, "AlreadyExists", text, describe(resource, name))


def conflict(resource: Resource, name: str, why: str) -> StatusError:
    """Return the 409 for a precondition that does not hold."""
    text = f'Operation cannot be fulfilled on {qualified(resource)} "{name}": {why}'
    return StatusError(409, "Conflict", text, describe(resource, name))


def modified(resource: Resource, name: str) -> StatusError:
    """Return the 409 for an object that changed since it was read."""
    return conflict(
        resource,
        name,
        "the object has been modified; please apply your changes to the latest version "
        "and try again",
    )


def invalid(resource: Resource, name: str, causes: list[Cause]) -> StatusError:
    """Return the 422 with all causes."""
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    told = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details: RawObject = {
        **describe(msgspec.structs.replace(resource, plural=resource.kind), name),
        "causes": [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes],
    }
    return StatusError(422, "Invalid", f'{kind} "{name}" is invalid: {told}', details)


def invalid_options(kind: str, causes: list[Cause]) -> StatusError:
    """Return the 422 for query parameters or options that make no sense."""
    return invalid(Resource("meta.k8s.io", "v1", "", kind), "", causes)


def bad_request(why: str) -> StatusError:
    """Return the 400 for a request that makes no sense."""
    return StatusError(400, "BadRequest", why)


def forbidden(
    resource: Resource, name: str, why: str, causes: Sequence[RawObject] = ()
) -> StatusError:
    """Return the 403 with the server's reason."""
    what = f'{qualified(resource)} "{name}"' if name else qualified(resource)
    details = describe(resource, name) | ({"causes": list(causes)} if causes else {})
    return StatusError(403, "Forbidden", f"{what} is forbidden: {why}", details)


def expired(why: str) -> StatusError:
    """Return the 410 for a version that is too old."""
    return StatusError(410, "Expired", why)


def too_large_version(wanted: int, current: int) -> StatusError:
    """Return the 504 for a version that is still to come."""
    text = f"Timeout: Too large resource version: {wanted}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return StatusError(504, "Timeout", text, {"causes": [cause], "retryAfterSeconds": 1})


def method_not_allowed() -> StatusError:
    """Return the 405 for a verb that a kind does not have."""
    text = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", text, {})


def not_acceptable(known: str) -> StatusError:
    """Return the 406 for a client that takes no form in which the server answers."""
    text = f"406: Not Acceptable\n\nAvailable representations: {known}"
    return StatusError(406, "NotAcceptable", text, {})


def unsupported_media_type(known: tuple[str, ...]) -> StatusError:
    """Return the 415 for a body in a form that is not understood."""
    text = (
        f"the body of the request was in an unknown format - accepted media types include: "
        f"{', '.join(known)}"
    )
    return StatusError(415, "UnsupportedMediaType", text)
