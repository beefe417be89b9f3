"""Speaking to a Kubernetes API server: sessions, credentials, verbs, watches, logs, exec.

Names are imported when they are first used: a command that talks to no cluster, such as
`--help`, pays for none of asyncio, ssl and msgspec.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oc_gpu.kube.client import Client
    from oc_gpu.kube.connect import ConnectOptions
    from oc_gpu.kube.discovery import Discovery
    from oc_gpu.kube.errors import (
        AlreadyExistsError,
        ApiError,
        ConfigError,
        ConflictError,
        ConnectionFailedError,
        ForbiddenError,
        GoneError,
        InvalidError,
        NotFoundError,
        OcGpuError,
        ServerError,
        TimeoutExceededError,
        TooManyRequestsError,
        UnauthorizedError,
        UsageError,
    )
    from oc_gpu.kube.objects import (
        Deleted,
        ExecResult,
        ListResult,
        RawObject,
        Replaced,
        Resource,
        ServerVersion,
        Updated,
        WatchEvent,
    )
    from oc_gpu.kube.sending import Retry
    from oc_gpu.kube.transport import (
        Response,
        StreamResponse,
        Transport,
        UpgradeRefusedError,
        WebSocket,
    )

_HOMES = {
    "client": ("Client",),
    "connect": ("ConnectOptions",),
    "discovery": ("Discovery",),
    "errors": (
        "AlreadyExistsError",
        "ApiError",
        "ConfigError",
        "ConflictError",
        "ConnectionFailedError",
        "ForbiddenError",
        "GoneError",
        "InvalidError",
        "NotFoundError",
        "OcGpuError",
        "ServerError",
        "TimeoutExceededError",
        "TooManyRequestsError",
        "UnauthorizedError",
        "UsageError",
    ),
    "objects": (
        "Deleted",
        "ExecResult",
        "ListResult",
        "RawObject",
        "Replaced",
        "Resource",
        "ServerVersion",
        "Updated",
        "WatchEvent",
    ),
    "sending": ("Retry",),
    "transport": ("Response", "StreamResponse", "Transport", "UpgradeRefusedError", "WebSocket"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AlreadyExistsError",
    "ApiError",
    "Client",
    "ConfigError",
    "ConflictError",
    "ConnectOptions",
    "ConnectionFailedError",
    "Deleted",
    "Discovery",
    "ExecResult",
    "ForbiddenError",
    "GoneError",
    "InvalidError",
    "ListResult",
    "NotFoundError",
    "OcGpuError",
    "RawObject",
    "Replaced",
    "Resource",
    "Response",
    "Retry",
    "ServerError",
    "ServerVersion",
    "StreamResponse",
    "TimeoutExceededError",
    "TooManyRequestsError",
    "Transport",
    "UnauthorizedError",
    "Updated",
    "UpgradeRefusedError",
    "UsageError",
    "WatchEvent",
    "WebSocket",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{home}"), name)
