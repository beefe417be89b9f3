"""Opening connections: straight or through a proxy, with TLS, and saying why one failed."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable

from msgspec import Struct

from oc_gpu.kube.errors import ConnectionFailedError, clean
from oc_gpu.kube.proxy import Proxy
from oc_gpu.kube.tls import context
from oc_gpu.kube.wire import Wire

_LONGEST_HEAD = 1 << 14
_HAPPY = 0.25
"""Seconds until another address of the host is tried as well (RFC 8305)."""


class Endpoint(Struct, frozen=True):
    """Where a server is and how to get there.

    Attributes:
        host: Host name or address.
        port: Port.
        tls: Whether it speaks TLS.
        server_name: Name that its certificate must have, None for the host.
        proxy: Proxy on the way, None to go straight.
        url: How errors name it; without credentials.
    """

    host: str
    port: int
    tls: bool
    server_name: str | None
    proxy: Proxy | None
    url: str

    @property
    def name(self) -> str:
        """Return the name that the server's certificate must have."""
        return self.server_name or self.host

    @property
    def authority(self) -> str:
        """Return host and port as a Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


async def dial(
    endpoint: Endpoint, make_context: Callable[[], ssl.SSLContext], timeout_s: float
) -> Wire:
    """Open a connection.

    Args:
        endpoint: Where to.
        make_context: Makes or returns the TLS settings, when TLS is spoken.
        timeout_s: Seconds until it is given up.

    Raises:
        ConnectionFailedError: It could not be opened; the error says why and what to do.
    """
    tls = make_context() if endpoint.tls else None
    try:
        async with asyncio.timeout(timeout_s):
            if endpoint.proxy is not None:
                return await _through(endpoint, endpoint.proxy, tls)
            return await _straight(endpoint, tls)
    except (OSError, ssl.CertificateError, EOFError) as error:
        raise failure(error, endpoint, timeout_s) from error


async def _straight(endpoint: Endpoint, tls: ssl.SSLContext | None) -> Wire:
    _, wire = await asyncio.get_running_loop().create_connection(
        Wire,
        endpoint.host,
        endpoint.port,
        ssl=tls,
        server_hostname=endpoint.name if tls else None,
        happy_eyeballs_delay=_HAPPY,
    )
    return wire


async def _through(endpoint: Endpoint, proxy: Proxy, tls: ssl.SSLContext | None) -> Wire:
    loop = asyncio.get_running_loop()
    first = context(None) if proxy.tls else None
    try:
        transport, wire = await loop.create_connection(Wire, proxy.host, proxy.port, ssl=first)
    except ssl.SSLError as error:
        url = f"https://{proxy.host}:{proxy.port}"
        raise tls_failure(error, proxy.host, f"the proxy {url}") from error
    try:
        await _connect(endpoint, proxy, wire)
        if tls is not None:
            inner = await loop.start_tls(transport, wire, tls, server_hostname=endpoint.name)
            assert inner is not None  # noqa: S101 - None only when closed, which raises
            wire.transport = inner
    except BaseException:
        transport.abort()
        raise
    return wire


async def _connect(endpoint: Endpoint, proxy: Proxy, wire: Wire) -> None:
    """Ask a proxy for a tunnel (RFC 9110 9.3.6)."""
    lines = [f"CONNECT {endpoint.authority} HTTP/1.1", f"Host: {endpoint.authority}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    await wire.write("\r\n".join([*lines, "", ""]).encode("ascii"))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = await wire.read()
        if not data:
            raise EOFError
        head += data
        if len(head) > _LONGEST_HEAD:
            break
    code, _, text = head.partition(b"\r\n")[0].partition(b" ")[2].partition(b" ")
    if code[:1] == b"2":
        return
    answer = clean((code + b" " + text).decode("latin-1"))
    message = f"cannot reach {endpoint.url}: the proxy {proxy.host}:{proxy.port} answered {answer}"
    raise ConnectionFailedError(
        message,
        hints=("check proxy-url of the cluster in the kubeconfig, and HTTPS_PROXY and NO_PROXY",),
        sent=False,
        permanent=True,
    )


_ALL_REFUSED = f"[Errno {errno.ECONNREFUSED}]"
"""In the text of asyncio's error for a host with several addresses."""


def failure(error: BaseException, endpoint: Endpoint, timeout_s: float) -> ConnectionFailedError:
    """Return what a failed attempt to connect means to the user."""
    where = endpoint.url
    via = f"the proxy {endpoint.proxy.host}:{endpoint.proxy.port}" if endpoint.proxy else "it"
    start = f"cannot reach {where}"
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return tls_failure(error, endpoint.name, endpoint.url)
    hints = ("check that the cluster is up, and VPN, proxy and the server's URL in the kubeconfig",)
    if isinstance(error, socket.gaierror):
        host = endpoint.proxy.host if endpoint.proxy else endpoint.host
        permanent = error.errno == socket.EAI_NONAME
        message = f"{start}: the host name {host} is not known here"
        return ConnectionFailedError(message, hints=hints, sent=False, permanent=permanent)
    if isinstance(error, TimeoutError):
        text = f"{start}: {via} did not answer within {timeout_s:g} s"
    elif isinstance(error, ConnectionRefusedError) or _ALL_REFUSED in str(error):
        text = f"{start}: {via} refused the connection"
    elif isinstance(error, (ConnectionResetError, ssl.SSLEOFError, EOFError)):
        text = f"{start}: {via} hung up"
    else:
        text = f"{start}: {getattr(error, 'strerror', None) or type(error).__name__}"
    return ConnectionFailedError(text, hints=hints, sent=False)


_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})
_EXPIRED = frozenset({9, 10})
_WRONG_NAME = frozenset({62, 64})
"""Verification results of OpenSSL, x509_vfy.h."""


def tls_failure(error: ssl.SSLError, name: str, where: str) -> ConnectionFailedError:
    """Return what a failed TLS handshake, or an alert after it, means to the user."""
    code = getattr(error, "verify_code", 0)
    if code in _UNKNOWN_ISSUER:
        why = "its certificate is signed by an authority that is not trusted here (x509)"
        hint = "set certificate-authority of the cluster in the kubeconfig, or log in again"
    elif code in _WRONG_NAME:
        why = f"its certificate is not made for {name} (x509)"
        hint = "use a name that is in the certificate, or set tls-server-name in the kubeconfig"
    elif code in _EXPIRED:
        why = "its certificate is expired or not valid yet (x509)"
        hint = "check this machine's clock; else the cluster's certificates need renewal"
    elif "ALERT" in (error.reason or ""):
        why = f"it refused our TLS ({(error.reason or '').lower().replace('_', ' ')})"
        hint = "check client-certificate and client-key of the user in the kubeconfig"
    elif error.reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}:
        why = "it does not speak TLS on this port"
        hint = "check the server's URL in the kubeconfig: scheme and port"
    else:
        told = getattr(error, "verify_message", "") or (error.reason or "TLS failed")
        why = clean(str(told).lower().replace("_", " "))
        hint = "check certificate-authority of the cluster in the kubeconfig"
    message = f"cannot {'trust' if code else 'reach'} {where}: {why}"
    return ConnectionFailedError(message, hints=(hint,), sent=False, permanent=True)
