"""Errors of the whole product, and those of speaking to an API server.

    OcGpuError                      exit 1
    +-- UsageError                       2
    +-- ConfigError                      2  kubeconfig broken, unknown context
    +-- ConnectionFailedError            3  no answer came
    +-- TimeoutExceededError             4  run it again to continue
    +-- ApiError                         1  the server answered with an error
        +-- UnauthorizedError  401       3
        +-- ForbiddenError     403       3
        +-- NotFoundError      404
        +-- ConflictError      409
        |   +-- AlreadyExistsError
        +-- GoneError          410
        +-- InvalidError       422
        +-- TooManyRequestsError 429
        +-- ServerError        5xx

An error's text is one sentence without final period; `hints` say what to do. Nothing that a
server says is repeated unless it is a `Status` object, cut and cleaned of secrets.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oc_gpu.kube.objects import Resource

MAX_TEXT = 256
"""Longest piece of a foreign text that is repeated in an error."""

_SECRET = re.compile(
    r"-----BEGIN[\s\S]*|LS0tLS1CRUdJTi\S*|(?<=[Bb]earer )\S+|sha256~\S+|eyJ[\w-]+\.[\w-]+\S*"
)
"""PEM, base64 of PEM, bearer tokens, OpenShift tokens, JSON web tokens."""

_CREDENTIALS = re.compile(r"(?<=://)[^/\s]*@")
"""User and password of a URL, up to its last `@`: passwords are seen that hold one unescaped."""


def without_credentials(text: str) -> str:
    """Return a text with `***` for user and password of the URLs in it."""
    return _CREDENTIALS.sub("***@", text)


def clean(text: str) -> str:
    """Return a foreign text on one line, without anything secret, cut to `MAX_TEXT`."""
    line = _SECRET.sub("(not shown)", without_credentials(text))
    line = " ".join(line.split()).rstrip(".")
    return line if len(line) <= MAX_TEXT else f"{line[: MAX_TEXT - 3]}..."


class OcGpuError(Exception):
    """Base of all errors that are told to the user without a traceback.

    Attributes:
        hints: What to do about it, one sentence each.
        doc: Anchor of a documentation page.
        exit_code: Exit status of the process.
    """

    exit_code = 1

    def __init__(
        self, message: str, *, hints: tuple[str, ...] = (), doc: str | None = None
    ) -> None:
        super().__init__(message)
        self.hints = hints
        self.doc = doc


class UsageError(OcGpuError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class ConfigError(OcGpuError):
    """A configuration cannot be used: kubeconfig, context, document, scenario."""

    exit_code = 2


class TimeoutExceededError(OcGpuError):
    """The time given has passed; running it again continues."""

    exit_code = 4


class ConnectionFailedError(OcGpuError):
    """No answer came from the server.

    Attributes:
        sent: The request may have reached the server.
        permanent: Trying again will not help (certificates, unknown host name).
    """

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        hints: tuple[str, ...] = (),
        doc: str | None = None,
        sent: bool = True,
        permanent: bool = False,
    ) -> None:
        super().__init__(message, hints=hints, doc=doc)
        self.sent = sent
        self.permanent = permanent


class Asked:
    """What was asked of the server: it names the request in errors.

    Attributes:
        verb: Verb as the user would say it, such as `list` or `apply`.
        resource: Kind that was asked for, None for requests outside of the resource API.
        name: Object name.
        namespace: Namespace of the object or list.
        subresource: Such as `log`.
    """

    __slots__ = ("name", "namespace", "resource", "subresource", "verb")

    def __init__(
        self,
        verb: str,
        resource: "Resource | None" = None,
        name: str | None = None,
        namespace: str | None = None,
        subresource: str | None = None,
    ) -> None:
        self.verb = verb
        self.resource = resource
        self.name = name
        self.namespace = namespace if resource is None or resource.namespaced else None
        self.subresource = subresource

    def __str__(self) -> str:
        """Return such as `list pods in default`, `apply secrets/x in y`."""
        if self.resource is None:
            return f"{self.verb} {self.name}" if self.name else self.verb
        within = None if self.verb in _SAYS_SUBRESOURCE else self.subresource
        what = "/".join(p for p in (self.resource.plural, self.name, within) if p)
        return (
            f"{self.verb} {what} in {self.namespace}" if self.namespace else f"{self.verb} {what}"
        )

    @property
    def right(self) -> str:
        """Return the right that this needs, in the words of RBAC."""
        verb = _RBAC_VERBS.get(self.verb, self.verb)
        if self.resource is None:
            return f"{verb} {self.name}"
        what = self.resource.plural
        if self.resource.group:
            what += f".{self.resource.group}"
        if self.subresource:
            what += f"/{self.subresource}"
        return f"{verb} {what}" + (f" in namespace {self.namespace}" if self.namespace else "")


_SAYS_SUBRESOURCE = frozenset({"evict", "exec", "logs"})
_RBAC_VERBS = {
    "apply": "patch",
    "evict": "create",
    "exec": "create",
    "logs": "get",
    "replace": "update",
}


class ApiError(OcGpuError):
    """The server answered with an error.

    Attributes:
        verb: What was asked, such as `list` or `apply`.
        resource: Kind that was asked for.
        name: Object name.
        namespace: Namespace.
        status: HTTP status.
        reason: Machine-readable reason of the `Status`, such as `AlreadyExists`.
        server_message: Cleaned message of the `Status`, empty when the answer was none.
        causes: Cleaned `field: message` pairs of the `Status`.
    """

    def __init__(
        self,
        asked: Asked,
        status: int,
        *,
        reason: str = "",
        message: str = "",
        causes: tuple[str, ...] = (),
        hints: tuple[str, ...] = (),
    ) -> None:
        self.asked = asked
        self.verb = asked.verb
        self.resource = asked.resource
        self.name = asked.name
        self.namespace = asked.namespace
        self.status = status
        self.reason = reason
        self.server_message = clean(message)
        self.causes = tuple(clean(cause) for cause in causes)
        told = f"{status} {reason}".strip()
        text = f"cannot {asked}: {self.server_message} ({told})"
        if not self.server_message:
            text = f"cannot {asked}: the server answered {told}"
        super().__init__(text, hints=hints or self._hints())

    def _hints(self) -> tuple[str, ...]:
        return ()


class UnauthorizedError(ApiError):
    """401: the server does not know who we are."""

    exit_code = 3

    def _hints(self) -> tuple[str, ...]:
        return ("log in again with `oc login`; the token or certificate is missing or expired",)


class ForbiddenError(ApiError):
    """403: the user lacks a right."""

    exit_code = 3

    def _hints(self) -> tuple[str, ...]:
        return (
            f"the missing right is `{self.asked.right}`; a cluster administrator can grant it",
            "`oc whoami` tells which user this is",
        )


class NotFoundError(ApiError):
    """404: the object, or the whole API, is not there."""


class ConflictError(ApiError):
    """409: the object changed meanwhile, or another field manager owns the fields."""

    def _hints(self) -> tuple[str, ...]:
        return tuple(f"conflict: {cause}" for cause in self.causes)


class AlreadyExistsError(ConflictError):
    """409 on create: an object of that name exists."""


class GoneError(ApiError):
    """410: the resource version or the continue token is too old."""


class InvalidError(ApiError):
    """422: the server's validation refused the object."""


class TooManyRequestsError(ApiError):
    """429: the server asked to come back later, also after the retries."""

    @property
    def by_budget(self) -> bool:
        """Tell whether a PodDisruptionBudget, and no load, forbids an eviction for now."""
        return "disruption budget" in self.server_message

    def _hints(self) -> tuple[str, ...]:
        if self.by_budget:
            where = f" -n {self.namespace}" if self.namespace else ""
            return (f"see which budget holds it: oc get poddisruptionbudgets{where}",)
        return ("the server is overloaded; run it again in a minute",)


class ServerError(ApiError):
    """5xx: the server failed."""


_BY_STATUS: dict[int, type[ApiError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    422: InvalidError,
    429: TooManyRequestsError,
}


def error_class(status: int, reason: str = "") -> type[ApiError]:
    """Return the class for an HTTP status and the reason of a `Status` object."""
    if reason == "AlreadyExists":
        return AlreadyExistsError
    if status >= 500:  # noqa: PLR2004
        return ServerError
    return _BY_STATUS.get(status, ApiError)
