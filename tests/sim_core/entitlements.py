"""Certificates and keys of one system, valid on the day on which the seed begins."""

from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec
from tests import portal

NOW = datetime(2021, 3, 1, 12, tzinfo=UTC).timestamp()
SERIAL = 4711


@cache
def private_key(_number: int = 0) -> ec.EllipticCurvePrivateKey:
    return portal.key()


@cache
def certificate(start_days: int = -30, end_days: int = 300) -> bytes:
    return portal.certificate(private_key(), start=start_days, end=end_days, serial=SERIAL)


def portal_file() -> bytes:
    """Certificate and key in one file, as unpacked from the portal's download."""
    return certificate() + portal.key_pem(private_key())


def mounted(certificate_file: bytes, key_file: bytes | None) -> dict[str, bytes]:
    folder = "/etc/pki/entitlement"
    files = {f"{folder}/entitlement.pem": certificate_file}
    return files | ({} if key_file is None else {f"{folder}/entitlement-key.pem": key_file})
