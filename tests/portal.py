"""Entitlement certificates as the customer portal hands them out, made on the spot."""

import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

NOW = datetime(2021, 3, 1, tzinfo=UTC)
FOLDER = "export/entitlement_certificates"
SERIAL = 3474621038742613412
FIRST_DAY, LAST_DAY = ((datetime(year, 1, 1, tzinfo=UTC) - NOW).days for year in (2020, 2049))
"""Validity, in days from `NOW`, that holds on every simulated and every real day of these years."""


def key() -> ec.EllipticCurvePrivateKey:
    """Return a new private key, of the kind that takes no time to make."""
    return ec.generate_private_key(ec.SECP256R1())


def rsa_key() -> rsa.RSAPrivateKey:
    """Return a new private key of the portal's own kind."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(
    private: PrivateKey, *, start: int = -30, end: int = 300, serial: int = 41
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


def key_pem(private: PrivateKey, passphrase: bytes | None = None) -> bytes:
    """Return a private key in PEM, locked where a passphrase is given."""
    locked: serialization.KeySerializationEncryption = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    if passphrase:
        locked = serialization.BestAvailableEncryption(passphrase)
    elif isinstance(private, rsa.RSAPrivateKey):
        form = serialization.PrivateFormat.TraditionalOpenSSL
    return private.private_bytes(serialization.Encoding.PEM, form, locked)


def entitlement(*, start: int = -30, end: int = 300, serial: int = 41) -> bytes:
    """Return certificate and key in one PEM, with the portal's other blocks between them."""
    private = key()
    extra = b"-----BEGIN ENTITLEMENT DATA-----\neJwz\n-----END ENTITLEMENT DATA-----\n"
    made = certificate(private, start=start, end=end, serial=serial)
    return made + extra + key_pem(private)


def lasting(serial: int = SERIAL) -> bytes:
    """Return certificate and RSA key in one PEM, good for all these years."""
    private = rsa_key()
    made = certificate(private, start=FIRST_DAY, end=LAST_DAY, serial=serial)
    return made + key_pem(private)


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


def portal_zip(folder: Path, pem: bytes | None = None) -> Path:
    """Write a download with one certificate, named by its serial number as the portal does."""
    path = folder / "entitlement.zip"
    path.write_bytes(portal(others={f"{FOLDER}/{SERIAL}.pem": pem or lasting()}))
    return path
