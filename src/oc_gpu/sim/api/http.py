"""The API server on a socket of this machine: HTTPS on the loopback, bearer tokens."""

import asyncio
import base64
import secrets
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api.asgi import Application
from oc_gpu.sim.api.certificates import Certificates, issue
from oc_gpu.sim.api.messages import ADMIN
from oc_gpu.sim.api.server import ApiServer

if TYPE_CHECKING:
    import uvicorn

_LOOPBACK = "127.0.0.1"


class Endpoint(Struct, frozen=True):
    """Where a served simulation is, and what opens it.

    Attributes:
        host: Loopback address.
        port: TCP port.
        authority: PEM of the certificate authority to trust.
        token: Bearer token of the cluster's administrator.
    """

    host: str
    port: int
    authority: str
    token: str

    @property
    def url(self) -> str:
        """Return the server's URL."""
        return f"https://{self.host}:{self.port}"

    def kubeconfig(self, name: str = "sim", namespace: str = "default") -> RawObject:
        """Return a kubeconfig whose only context leads here."""
        data = base64.b64encode(self.authority.encode()).decode()
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": name,
                    "cluster": {"server": self.url, "certificate-authority-data": data},
                }
            ],
            "users": [{"name": "admin", "user": {"token": self.token}}],
            "contexts": [
                {
                    "name": name,
                    "context": {"cluster": name, "user": "admin", "namespace": namespace},
                }
            ],
            "current-context": name,
        }

    def write_kubeconfig(self, path: Path, name: str = "sim") -> None:
        """Write a kubeconfig that only its owner can read."""
        text = msgspec.json.format(msgspec.json.encode(self.kubeconfig(name)), indent=2)
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_bytes(text)


@asynccontextmanager
async def serve(
    server: ApiServer, *, port: int = 0, token: str | None = None
) -> AsyncIterator[Endpoint]:
    """Serve on the loopback inside the block.

    Args:
        server: Who answers.
        port: TCP port, 0 for a free one.
        token: The administrator's bearer token, a new one by default.

    Raises:
        OSError: The port is taken.
    """
    token = token or f"sha256~{secrets.token_urlsafe(32)}"
    certificates = issue()
    listener = _listen(port)
    application = Application(server, {token: ADMIN})
    web = _web_server(application, _tls(certificates))
    await web.startup(sockets=[listener])
    try:
        bound: int = listener.getsockname()[1]
        yield Endpoint(_LOOPBACK, bound, certificates.authority, token)
    finally:
        server.close_watches()
        await _stop(web)


def _listen(port: int) -> socket.socket:
    # With protocol 0 asyncio would not set TCP_NODELAY, and each answer would wait 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_LOOPBACK, port))
        listener.setblocking(False)  # noqa: FBT003  # the name of the call says what is meant
    except OSError:
        listener.close()
        raise
    return listener


def _tls(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with TemporaryDirectory(prefix="oc-gpu-") as folder:
        path = Path(folder) / "server.pem"
        path.touch(mode=0o600)
        path.write_text(certificates.certificate + certificates.key)
        context.load_cert_chain(path)
    return context


def _web_server(application: Application, context: ssl.SSLContext) -> "uvicorn.Server":
    import uvicorn  # noqa: PLC0415  # only simulations pay for it

    config = uvicorn.Config(
        application,
        http="h11",
        ws="wsproto",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_keep_alive=600,
        h11_max_incomplete_event_size=1 << 20,
        ws_ping_interval=None,
    )
    config.load()
    config.ssl = context
    web = uvicorn.Server(config)
    web.lifespan = config.lifespan_class(config)
    return web


async def _stop(web: "uvicorn.Server") -> None:
    """Close at once: uvicorn's own shutdown waits for ticks of its main loop, which is not run."""
    for listener in web.servers:
        listener.close()
    for connection in list(web.server_state.connections):
        connection.shutdown()
    tasks = list(web.server_state.tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for listener in web.servers:
        await listener.wait_closed()
