"""A certificate authority of the simulation's own, and the server's certificate."""

import ipaddress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.x509 import CertificateBuilder, GeneralName

_AUTHORITY = "oc-gpu simulated cluster"
_LIFETIME = timedelta(days=3650)
_SKEW = timedelta(days=1)


class Certificates(Struct, frozen=True):
    """PEM texts.

    Attributes:
        authority: Certificate that clients trust.
        certificate: The server's certificate.
        key: The server's private key.
    """

    authority: str
    certificate: str
    key: str


def issue(hosts: tuple[str, ...] = ("127.0.0.1", "localhost")) -> Certificates:
    """Make an authority and a server certificate, EC P-256, valid from a day ago.

    They live in wall time: clients check them against their own clock.
    """
    from cryptography import x509  # noqa: PLC0415  # slow to import, and only needed here
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    authority_key = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())
    issuer_id = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = (
        _begin(_AUTHORITY, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(issuer_id, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    parent = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id)
    names = x509.SubjectAlternativeName([_host_name(host) for host in hosts])
    certificate = (
        _begin("kube-apiserver", key.public_key())
        .add_extension(names, critical=False)
        .add_extension(parent, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key_pem = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Certificates(
        authority.public_bytes(pem).decode(),
        certificate.public_bytes(pem).decode(),
        key_pem.decode(),
    )


def _begin(subject: str, public_key: "EllipticCurvePublicKey") -> "CertificateBuilder":
    from cryptography import x509  # noqa: PLC0415
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    def named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named(_AUTHORITY))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _LIFETIME)
    )


def _host_name(host: str) -> "GeneralName":
    from cryptography import x509  # noqa: PLC0415

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
