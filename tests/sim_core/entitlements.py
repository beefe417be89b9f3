"""Certificates and keys as the customer portal gives them, made for tests."""

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime(2021, 3, 1, 12, tzinfo=UTC).timestamp()
SERIAL = 4711


@cache
def private_key(_number: int = 0) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem_of_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


@cache
def certificate(start_days: int = -30, end_days: int = 300) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "entitlement")])
    now = datetime.fromtimestamp(NOW, UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key().public_key())
        .serial_number(SERIAL)
        .not_valid_before(now + timedelta(days=start_days))
        .not_valid_after(now + timedelta(days=end_days))
        .sign(private_key(), hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM)


def portal_file() -> bytes:
    """Certificate and key in one file, as unpacked from the portal's download."""
    return certificate() + pem_of_key(private_key())


def mounted(certificate_file: bytes, key_file: bytes | None) -> dict[str, bytes]:
    folder = "/etc/pki/entitlement"
    files = {f"{folder}/entitlement.pem": certificate_file}
    return files | ({} if key_file is None else {f"{folder}/entitlement-key.pem": key_file})
