"""Proofs of who we are: fixed ones, token files that change, plugins that print them."""

import base64
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from oc_gpu.kube.errors import ConfigError
from oc_gpu.kube.kubeconfig import Access, User
from oc_gpu.kube.tls import Certificate, pem


class Proof(Struct, frozen=True):
    """What goes with a request; prints as nothing.

    Attributes:
        authorization: Value of the Authorization header, empty for none.
        certificate: Client certificate to connect with.
    """

    authorization: str = ""
    certificate: Certificate | None = None

    def __repr__(self) -> str:
        return "Proof(...)"


class Credentials(Protocol):
    """Where proofs come from."""

    async def current(self) -> Proof:
        """Return the proof to use now."""

    async def renew(self, refused: Proof) -> bool:
        """Tell whether there is another proof, after the server refused one with 401."""


class Fixed:
    """One proof for the whole session."""

    def __init__(self, proof: Proof) -> None:
        self._proof = proof

    async def current(self) -> Proof:
        """Return the proof."""
        return self._proof

    async def renew(self, refused: Proof) -> bool:
        """Return False: there is no other one."""
        return self._proof != refused


class TokenFile:
    """A token that something else keeps fresh in a file, such as a kubelet; read each time."""

    def __init__(self, path: str, certificate: Certificate | None = None) -> None:
        self._path = path
        self._certificate = certificate

    async def current(self) -> Proof:
        """Return the file's token.

        Raises:
            ConfigError: The file cannot be read.
        """
        return Proof(f"Bearer {_read_token(self._path)}", self._certificate)

    async def renew(self, refused: Proof) -> bool:
        """Tell whether the file holds another token by now."""
        return await self.current() != refused


def _read_token(path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except OSError as error:
        message = f"cannot read the token file {path}: {error.strerror}"
        raise ConfigError(message, hints=("check tokenFile in the kubeconfig",)) from error


def credentials(access: Access, *, interactive: bool) -> Credentials:
    """Return the credentials of a kubeconfig's user.

    Args:
        access: User and cluster.
        interactive: Whether plugins may ask at the terminal.

    Raises:
        ConfigError: The user's entry cannot be used.
    """
    user = access.user
    certificate = _certificate(user)
    if user.exec is not None:
        from oc_gpu.kube.execplugin import ExecPlugin  # noqa: PLC0415 - few users have one

        return ExecPlugin(access, user.exec, certificate, interactive=interactive)
    if user.token_file:
        return TokenFile(user.token_file, certificate)
    if user.auth_provider is not None and not (user.token or certificate):
        message = (
            f"user {access.user_name!r} logs in by auth-provider {user.auth_provider.name!r}, "
            "which Kubernetes has replaced by exec plugins"
        )
        raise ConfigError(
            message, hints=("log in with `oc login`, or configure an exec plugin for this user",)
        )
    return Fixed(Proof(_authorization(access), certificate))


def _authorization(access: Access) -> str:
    user = access.user
    if user.token and user.username:
        message = f"user {access.user_name!r} has both a token and a user name"
        raise ConfigError(message, hints=("remove one of them from the kubeconfig",))
    if user.token:
        return f"Bearer {user.token.strip()}"
    return basic(user.username, user.password or "") if user.username else ""


def basic(name: str, password: str) -> str:
    """Return the header value of HTTP basic authentication (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode("ascii")


def _certificate(user: User) -> Certificate | None:
    chain = pem(user.client_certificate_data, user.client_certificate, "client-certificate")
    key = pem(user.client_key_data, user.client_key, "client-key")
    if chain is None and key is None:
        return None
    if chain is None or key is None:
        message = "the kubeconfig has only one of client-certificate and client-key"
        raise ConfigError(message, hints=("add the other one, or remove both",))
    return Certificate(chain, key)
