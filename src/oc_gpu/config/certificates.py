"""Judging one PEM file: its certificate, its key, whether they fit, and when it is valid."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from cryptography.x509 import Certificate as X509Certificate

_BEGIN = b"-----BEGIN "
_CERTIFICATES = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")


class Certificate(Struct, frozen=True):
    """What one PEM file is; nothing of its key.

    Attributes:
        name: Where it was.
        serial: Serial number of the certificate, empty where there is none.
        subject: Its subject.
        issuer: Who signed it.
        not_before: Start of its validity.
        not_after: End of its validity.
        problem: Why it cannot be used, empty when it can.
    """

    name: str
    serial: str = ""
    subject: str = ""
    issuer: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    problem: str = ""


def judge(name: str, content: bytes, now: datetime) -> Certificate:
    """Return what a PEM file is and what is wrong with it.

    Args:
        name: How to call it.
        content: What it holds.
        now: Moment at which it must be valid.
    """
    blocks = list(_blocks(content))
    certificates = [block for kind, block in blocks if kind in _CERTIFICATES]
    if not certificates:
        return Certificate(name, problem=_no_certificate(content, blocks))
    keys = [block for kind, block in blocks if kind.endswith(b"PRIVATE KEY")]
    try:
        return _judged(name, certificates[0], keys, now)
    except ValueError:  # also late: parts of it are read when they are asked for
        return Certificate(name, problem="its certificate is damaged")


def _judged(name: str, block: bytes, keys: list[bytes], now: datetime) -> Certificate:
    from cryptography import x509  # noqa: PLC0415  # slow to import

    parsed = x509.load_pem_x509_certificate(block)
    problem = _key_problem(parsed, keys) or _time_problem(parsed, now)
    return Certificate(
        name=name,
        serial=str(parsed.serial_number),
        subject=parsed.subject.rfc4514_string(),
        issuer=parsed.issuer.rfc4514_string(),
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
        problem=problem,
    )


def _blocks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and text of each complete PEM block, in one pass whatever the file holds."""
    for part in content.split(_BEGIN)[1:]:
        kind, _, rest = part.partition(b"-----")
        end = b"-----END " + kind + b"-----"
        body, found, _ = rest.partition(end)
        if found:
            yield kind, _BEGIN + kind + b"-----" + body + end


def _no_certificate(content: bytes, blocks: list[tuple[bytes, bytes]]) -> str:
    if blocks:
        return "it holds no certificate"
    if _BEGIN in content:
        return "it is a PEM file that was cut off"
    return "it is no PEM file"


def _key_problem(certificate: "X509Certificate", keys: list[bytes]) -> str:
    if not keys:
        return "it holds a certificate but no key"
    if all(b"ENCRYPTED" in key for key in keys):
        return "its key is locked with a passphrase"
    results = [_matches(certificate, key) for key in keys]
    if True in results:
        return ""
    if False in results:
        return "its key belongs to another certificate"
    return "its key is damaged"


def _matches(certificate: "X509Certificate", block: bytes) -> bool | None:
    """Tell whether a key is the certificate's; None when it cannot be read."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_private_key,
    )

    try:
        key = load_pem_private_key(block, password=None)
        return bool(key.public_key() == certificate.public_key())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _time_problem(certificate: "X509Certificate", now: datetime) -> str:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now.tzinfo is None:
        now = now.replace(tzinfo=UTC)
    if now > end:
        return f"it expired on {end:%Y-%m-%d}"
    if now < start:
        return f"it is not valid before {start:%Y-%m-%d}"
    return ""
