"""Credential plugins: programs that print an ExecCredential (client.authentication.k8s.io).

The plugin gets what is asked in `KUBERNETES_EXEC_INFO` and its answer is kept until it expires or
the server refuses it. Documented at kubernetes.io, "Authenticating", client-go credential plugins.
"""

import asyncio
import base64
import os
import time
from asyncio.subprocess import DEVNULL, PIPE
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct, field

from oc_gpu.kube.credentials import Proof
from oc_gpu.kube.errors import ConfigError, ConnectionFailedError, clean
from oc_gpu.kube.kubeconfig import Access, Cluster, ExecConfig
from oc_gpu.kube.tls import Certificate, pem

_GROUP = "client.authentication.k8s.io"
_VERSIONS = (f"{_GROUP}/v1", f"{_GROUP}/v1beta1")
_NEVER, _IF_AVAILABLE, _ALWAYS = "Never", "IfAvailable", "Always"


class _Status(Struct, frozen=True, rename="camel"):
    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: datetime | None = None


class _ExecCredential(Struct, frozen=True, rename="camel"):
    kind: str = ""
    api_version: str = ""
    status: _Status = field(default_factory=_Status)


class ExecPlugin:
    """Runs the plugin of a user when a proof is needed and none is at hand."""

    def __init__(
        self,
        access: Access,
        config: ExecConfig,
        certificate: Certificate | None,
        *,
        interactive: bool,
    ) -> None:
        self._cluster = access.cluster
        self._user = access.user_name
        self._config = config
        self._certificate = certificate
        self._interactive = _interactive(config, interactive, self._user)
        self._lock = asyncio.Lock()
        self._proof: Proof | None = None
        self._refused: Proof | None = None
        self._expires: float | None = None

    async def current(self) -> Proof:
        """Return the kept proof, or run the plugin for a new one."""
        async with self._lock:
            expired = self._expires is not None and time.time() >= self._expires
            if self._proof is None or expired:
                return self._keep(await self._run())
            return self._proof

    async def renew(self, refused: Proof) -> bool:
        """Run the plugin again, unless that was done meanwhile or brought the same proof."""
        async with self._lock:
            if self._proof == refused and self._refused != refused:
                self._refused = refused
                self._keep(await self._run())
            return self._proof != refused

    def _keep(self, status: _Status) -> Proof:
        certificate = self._certificate
        if status.client_certificate_data:
            certificate = Certificate(
                status.client_certificate_data.encode(), status.client_key_data.encode()
            )
        authorization = f"Bearer {status.token}" if status.token else ""
        expires = status.expiration_timestamp
        self._expires = expires.timestamp() if expires else None
        self._proof = Proof(authorization, certificate)
        return self._proof

    async def _run(self) -> _Status:
        command = self._config.command
        try:
            process = await asyncio.create_subprocess_exec(
                command,
                *(self._config.args or ()),
                stdin=None if self._interactive else DEVNULL,
                stdout=PIPE,
                env={**os.environ, **self._environment()},
            )
        except OSError as error:
            message = (
                f"cannot run {command}, which logs in user {self._user!r}: "
                f"{error.strerror or type(error).__name__}"
            )
            raise ConfigError(message, hints=self._install_hints()) from error
        output = await _output(process)
        if process.returncode:
            message = (
                f"{command}, which logs in user {self._user!r}, failed "
                f"with exit code {process.returncode}"
            )
            raise ConnectionFailedError(
                message,
                hints=("its own messages are above; run it by itself to see more",),
                sent=False,
                permanent=True,
            )
        return self._read(output)

    def _install_hints(self) -> tuple[str, ...]:
        hint = self._config.install_hint
        return (clean(hint),) if hint else (f"install {self._config.command}, or log in otherwise",)

    def _environment(self) -> dict[str, str]:
        spec: dict[str, Any] = {"interactive": self._interactive}
        if self._config.provide_cluster_info:
            spec["cluster"] = _cluster_info(self._cluster)
        info = {"apiVersion": self._config.api_version, "kind": "ExecCredential", "spec": spec}
        given = {variable.name: variable.value for variable in self._config.env or ()}
        return {**given, "KUBERNETES_EXEC_INFO": msgspec.json.encode(info).decode()}

    def _read(self, output: bytes) -> _Status:
        try:
            answer = msgspec.json.decode(output, type=_ExecCredential)
        except msgspec.DecodeError as error:
            raise self._useless("printed no ExecCredential") from error
        if answer.kind != "ExecCredential" or answer.api_version != self._config.api_version:
            message = f"printed something else than {self._config.api_version}"
            raise self._useless(message)
        status = answer.status
        if bool(status.client_certificate_data) != bool(status.client_key_data):
            raise self._useless("printed only one of certificate and key")
        if not (status.token or status.client_certificate_data):
            raise self._useless("printed neither a token nor a certificate")
        return status

    def _useless(self, what: str) -> ConfigError:
        return ConfigError(
            f"{self._config.command}, which logs in user {self._user!r}, {what}",
            hints=(
                "compare apiVersion of the user's exec entry with what the program supports",
                f"supported here: {', '.join(_VERSIONS)}",
            ),
        )


def _interactive(config: ExecConfig, terminal: bool, user: str) -> bool:  # noqa: FBT001
    """Return whether the plugin gets our terminal, after checking its entry."""
    if config.api_version not in _VERSIONS:
        message = f"the exec plugin of user {user!r} has apiVersion {config.api_version!r}"
        raise ConfigError(message, hints=(f"supported are {', '.join(_VERSIONS)}",))
    mode = config.interactive_mode
    if not mode and config.api_version.endswith("/v1beta1"):
        mode = _IF_AVAILABLE
    if mode not in (_NEVER, _IF_AVAILABLE, _ALWAYS):
        message = f"the exec plugin of user {user!r} needs an interactiveMode"
        raise ConfigError(
            message, hints=(f"set it to {_NEVER}, {_IF_AVAILABLE} or {_ALWAYS} in the kubeconfig",)
        )
    if mode == _ALWAYS and not terminal:
        message = f"{config.command}, which logs in user {user!r}, needs a terminal to ask at"
        raise ConfigError(message, hints=("run this at a terminal, or use another user",))
    return terminal and mode != _NEVER


def _cluster_info(cluster: Cluster) -> dict[str, Any]:
    ca = pem(
        cluster.certificate_authority_data, cluster.certificate_authority, "certificate-authority"
    )
    info = {
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "certificate-authority-data": base64.b64encode(ca).decode() if ca else None,
        "proxy-url": cluster.proxy_url,
        "config": next(
            (e.extension for e in cluster.extensions or () if e.name == f"{_GROUP}/exec"), None
        ),
    }
    return {key: value for key, value in info.items() if value}


async def _output(process: asyncio.subprocess.Process) -> bytes:
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    return output
