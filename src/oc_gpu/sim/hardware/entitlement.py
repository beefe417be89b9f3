"""Entitlement certificates as a container sees them, judged as the content network would."""

from datetime import UTC, datetime
from enum import StrEnum

from msgspec import Struct

from oc_gpu.sim.scenario import SubscriptionFacts

FOLDERS = ("/etc/pki/entitlement", "/etc/pki/entitlement-host", "/run/secrets/etc-pki-entitlement")


class Standing(StrEnum):
    """What the content network makes of the certificate shown to it."""

    VALID = "valid"
    ABSENT = "absent"
    UNREADABLE = "unreadable"
    NO_KEY = "no key"
    OUT_OF_DATE = "out of date"
    KEY_MISMATCH = "key mismatch"
    REVOKED = "revoked"


class Entitlement(Struct, frozen=True):
    """The best certificate found, and where."""

    standing: Standing
    path: str = ""


_ORDER = (
    Standing.VALID,
    Standing.REVOKED,
    Standing.KEY_MISMATCH,
    Standing.OUT_OF_DATE,
    Standing.NO_KEY,
    Standing.UNREADABLE,
)


def judge(files: dict[str, bytes], facts: SubscriptionFacts, now: float) -> Entitlement:
    """Find certificate and key among the files of a container and judge them.

    Args:
        files: Path to content, as the container sees it.
        facts: What the entitlement server knows, for instance revoked serial numbers.
        now: Simulated time, against which validity is measured.
    """
    found = []
    for path in sorted(files):
        folder, _, name = path.rpartition("/")
        if folder in FOLDERS and name.endswith(".pem") and not name.endswith("-key.pem"):
            key = files.get(f"{folder}/{name.removesuffix('.pem')}-key.pem")
            found.append(Entitlement(_judge_pair(files[path], key, facts, now), path))
    found.sort(key=lambda e: _ORDER.index(e.standing))
    return found[0] if found else Entitlement(Standing.ABSENT)


def _judge_pair(
    certificate: bytes, key: bytes | None, facts: SubscriptionFacts, now: float
) -> Standing:
    from cryptography import x509  # noqa: PLC0415  # slow to import
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_private_key,
    )

    try:
        parsed = x509.load_pem_x509_certificate(certificate)
    except ValueError:
        return Standing.UNREADABLE
    if key is None:
        return Standing.NO_KEY
    moment = datetime.fromtimestamp(now, UTC)
    valid = parsed.not_valid_before_utc <= moment <= parsed.not_valid_after_utc
    if facts.ended or not valid:
        return Standing.OUT_OF_DATE
    try:
        private = load_pem_private_key(_key_block(key), password=None)
    except (ValueError, TypeError):
        return Standing.KEY_MISMATCH
    if private.public_key() != parsed.public_key():
        return Standing.KEY_MISMATCH
    serial = str(parsed.serial_number)
    return Standing.REVOKED if serial in facts.revoked_serials else Standing.VALID


def _key_block(pem: bytes) -> bytes:
    """Cut the private key out of a file that may hold the certificate too."""
    for kind in (b"RSA PRIVATE KEY", b"PRIVATE KEY", b"EC PRIVATE KEY"):
        begin, end = pem.find(b"-----BEGIN " + kind), pem.find(b"-----END " + kind)
        if 0 <= begin < end:
            return pem[begin : pem.find(b"\n", end) + 1 or None]
    return pem
