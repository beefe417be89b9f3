"""The licence of virtual GPUs: the files that NVIDIA's licence system gives, never shown.

A client configuration token is a JSON Web Token (RFC 7519) that names the licence servers. Whether
they take it only they can tell; that a file is none, or that its time is over, is told here.
"""

import base64
import binascii
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from oc_gpu.config.document import VgpuSpec
from oc_gpu.config.entitlement import Secret
from oc_gpu.kube.errors import ConfigError

MAX_BYTES = 500_000
"""A ConfigMap or Secret holds 1 MiB, and a token has some thousand bytes."""
_PARTS = 3
_WHERE_FROM = (
    "generate it in the NVIDIA Licensing Portal: your service instance, Generate client "
    "configuration token"
)


class LicenceError(ConfigError):
    """A file of the licence cannot be used."""


class Licence(Struct, frozen=True):
    """What a virtual GPU's driver gets its licence with.

    Attributes:
        token: The client configuration token, empty for a licence server of the older kind.
        gridd_conf: The configuration of the licence's client.
    """

    token: Secret
    gridd_conf: Secret


def read_licence(spec: VgpuSpec, now: datetime | None = None) -> Licence | None:
    """Return the licence of the files that a document names, None when it names none.

    Args:
        spec: The document's part.
        now: Moment at which the token must be valid; the present one by default.

    Raises:
        LicenceError: One cannot be read, or the token is none or no more valid.
    """
    if spec.token is None and spec.gridd_conf is None:
        return None
    token = _read(spec.token) if spec.token is not None else b""
    if spec.token is not None:
        _judge(Path(spec.token).name, token, now or datetime.now(UTC))
    gridd = _read(spec.gridd_conf) if spec.gridd_conf is not None else b""
    return Licence(Secret(token), Secret(gridd))


def _read(name: str) -> bytes:
    try:
        with Path(name).open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        message = f"cannot read {name}: {why.lower()}"
        raise LicenceError(message, hints=(_WHERE_FROM,)) from error
    if len(raw) > MAX_BYTES:
        message = f"{name} is larger than {MAX_BYTES} bytes: it is no file of a licence"
        raise LicenceError(message, hints=(_WHERE_FROM,))
    return raw


def _judge(name: str, raw: bytes, now: datetime) -> None:
    claims = _claims(raw.strip())
    if claims is None:
        message = f"{name} is no client configuration token"
        raise LicenceError(message, hints=(_WHERE_FROM,))
    ends = claims.get("exp")
    if isinstance(ends, int | float) and ends <= now.timestamp():
        message = f"the client configuration token in {name} is no more valid"
        raise LicenceError(message, hints=(_WHERE_FROM,))


def _claims(raw: bytes) -> dict[str, Any] | None:
    """Return what a JSON Web Token says, None when it is none."""
    parts = raw.split(b".")
    if len(parts) != _PARTS or not all(parts):
        return None
    try:
        head, claims = (msgspec.json.decode(_decoded(part)) for part in parts[:2])
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        return None
    signed = isinstance(head, dict) and "alg" in head
    return claims if signed and isinstance(claims, dict) else None


def _decoded(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
