"""Entitlement certificates as the customer portal hands them out, made on the spot."""

import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime(2021, 3, 1, tzinfo=UTC)
FOLDER = "export/entitlement_certificates"


def key() -> ec.EllipticCurvePrivateKey:
    """Return a new private key."""
    return ec.generate_private_key(ec.SECP256R1())


def certificate(
    private: ec.EllipticCurvePrivateKey, *, start: int = -30, end: int = 300, serial: int = 41
) -> bytes:
    """Return a certificate in PEM, valid between two days counted from `NOW`."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "8a85f9997a2b")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .serial_number(serial)
        .public_key(private.public_key())
        .not_valid_before(NOW + timedelta(days=start))
        .not_valid_after(NOW + timedelta(days=end))
    )
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def key_pem(private: ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> bytes:
    """Return a private key in PEM, locked where a passphrase is given."""
    locked: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        locked = serialization.BestAvailableEncryption(passphrase)
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked
    )


def entitlement(*, start: int = -30, end: int = 300, serial: int = 41) -> bytes:
    """Return certificate and key in one PEM, with the portal's other blocks between them."""
    private = key()
    extra = b"-----BEGIN ENTITLEMENT DATA-----\neJwz\n-----END ENTITLEMENT DATA-----\n"
    made = certificate(private, start=start, end=end, serial=serial)
    return made + extra + key_pem(private)


def zipped(content: Mapping[str, bytes]) -> bytes:
    """Return a ZIP archive of some files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def portal(*pems: bytes, others: Mapping[str, bytes] | None = None) -> bytes:
    """Return the portal's download: PEM files in a ZIP in a ZIP."""
    inside = {f"{FOLDER}/{number}.pem": pem for number, pem in enumerate(pems)}
    inner = zipped({"export/meta.json": b"{}", **inside, **(others or {})})
    return zipped({"consumer_export.zip": inner, "signature": b"\x00" * 16})
