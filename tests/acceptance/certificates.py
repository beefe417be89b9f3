"""Entitlement certificates as the customer portal hands them out, made on the spot."""

import datetime as dt
import io
import zipfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

SERIAL = 3474621038742613412


def key() -> rsa.RSAPrivateKey:
    """Return a new private key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(
    private: rsa.RSAPrivateKey,
    start: str = "2020-01-01",
    end: str = "2049-01-01",
    serial: int = SERIAL,
) -> bytes:
    """Return a self-signed certificate in PEM, valid between two days."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "8a85f9997a2b")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .serial_number(serial)
        .public_key(private.public_key())
        .not_valid_before(dt.datetime.fromisoformat(start))
        .not_valid_after(dt.datetime.fromisoformat(end))
    )
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def key_pem(private: rsa.RSAPrivateKey) -> bytes:
    """Return a private key in PEM."""
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def pem(serial: int = SERIAL) -> bytes:
    """Return a good entitlement: certificate and its key in one PEM."""
    private = key()
    return certificate(private, serial=serial) + key_pem(private)


def zipped(content: dict[str, bytes]) -> bytes:
    """Return a ZIP archive of some files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def portal_zip(folder: Path, content: bytes | None = None) -> Path:
    """Write the portal's download: a PEM in `consumer_export.zip` in a ZIP."""
    inner = zipped({f"export/entitlement_certificates/{SERIAL}.pem": content or pem()})
    path = folder / "entitlement.zip"
    path.write_bytes(zipped({"consumer_export.zip": inner, "signature": b"\x00" * 16}))
    return path
