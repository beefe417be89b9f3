"""TLS as Go programs do it: our own roots only when given, no common names, partial chains."""

import base64
import os
import ssl
from pathlib import Path

from msgspec import Struct

from oc_gpu.kube.errors import ConfigError


class Certificate(Struct, frozen=True):
    """A client certificate and its key as PEM; prints as nothing."""

    chain: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Certificate(...)"


def context(
    ca: bytes | None, *, insecure: bool = False, certificate: Certificate | None = None
) -> ssl.SSLContext:
    """Return the TLS settings of a connection.

    Args:
        ca: PEM of the certificates to trust, None for those of the system.
        insecure: Trust anyone.
        certificate: What to show to the server.

    Raises:
        ConfigError: A certificate or key cannot be used.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    made.hostname_checks_common_name = False
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif ca is None:
        made.load_default_certs()
    else:
        _trust(made, ca)
    if certificate is not None:
        _show(made, certificate)
    return made


def _trust(made: ssl.SSLContext, ca: bytes) -> None:
    try:
        made.load_verify_locations(cadata=ca.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        message = "the certificate authority of this cluster is not a PEM certificate"
        raise ConfigError(
            message, hints=("check certificate-authority of the cluster in the kubeconfig",)
        ) from error


def _show(made: ssl.SSLContext, certificate: Certificate) -> None:
    """Load a client certificate: OpenSSL takes the key from a file only, so one lives shortly."""
    import tempfile  # noqa: PLC0415 - costs 5 ms, most users have tokens

    with tempfile.TemporaryDirectory(prefix="oc-gpu-") as folder:
        path = Path(folder) / "client.pem"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(certificate.chain + b"\n" + certificate.key)
        try:
            made.load_cert_chain(path, password=_no_password)
        except (ssl.SSLError, ValueError, OSError) as error:
            hint = (
                "check client-certificate and client-key of the user in the kubeconfig: both PEM, "
                "the key without password, and belonging to each other"
            )
            message = "the client certificate and its key cannot be used together"
            raise ConfigError(message, hints=(hint,)) from error


def _no_password() -> str:
    """Refuse instead of asking at the terminal, as OpenSSL would."""
    raise ValueError("the key has a password")


def pem(data: str | None, path: str | None, what: str) -> bytes | None:
    """Return the PEM that a kubeconfig gives as base64 data, which wins, or as a file.

    Raises:
        ConfigError: The data is no base64, or the file cannot be read.
    """
    if data:
        try:
            return base64.b64decode("".join(data.split()), validate=True)
        except ValueError as error:  # base64's own, and that of a text beyond ASCII
            message = f"{what}-data in the kubeconfig is not base64"
            raise ConfigError(message, hints=("get a new kubeconfig with `oc login`",)) from error
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        message = f"cannot read the file of {what}, {path}: {error.strerror}"
        raise ConfigError(
            message, hints=("check the path in the kubeconfig and its permissions",)
        ) from error
