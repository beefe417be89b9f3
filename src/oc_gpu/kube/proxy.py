"""Which proxy leads to a server, by the rules of Go's programs.

A cluster's `proxy-url` always counts. Without it `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` (or
their lower-case twins) do, and never for this machine itself.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import SplitResult, unquote, urlsplit

from msgspec import Struct

from oc_gpu.kube.credentials import basic
from oc_gpu.kube.errors import ConfigError

_PORTS = {"http": 80, "https": 443}


class Proxy(Struct, frozen=True):
    """An HTTP proxy; prints without its credentials.

    Attributes:
        host: Host name or address.
        port: Port.
        tls: Whether the proxy itself is spoken to by TLS.
        authorization: Value of the Proxy-Authorization header, empty for none.
    """

    host: str
    port: int
    tls: bool = False
    authorization: str = ""

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"


def parse(url: str, origin: str) -> Proxy:
    """Return the proxy of a URL.

    Args:
        url: URL, or host and port.
        origin: Where it was written, for errors.

    Raises:
        ConfigError: It is no URL of an HTTP proxy.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        port = 0
    if parts.scheme not in _PORTS or not parts.hostname or not port:
        message = f"the proxy in {origin} is not the URL of an HTTP proxy"
        raise ConfigError(message, hints=("it looks like http://proxy.example.com:3128",))
    return Proxy(parts.hostname, port, parts.scheme == "https", _authorization(parts))


def _authorization(parts: SplitResult) -> str:
    if not parts.username:
        return ""
    return basic(unquote(parts.username), unquote(parts.password or ""))


def from_environment(scheme: str, host: str, port: int, environ: Mapping[str, str]) -> Proxy | None:
    """Return the environment's proxy for a server, None to go straight."""
    name = f"{scheme.upper()}_PROXY"
    url = environ.get(name) or environ.get(name.lower())
    exceptions = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    if not url or _is_local(host) or _excepted(host.lower(), port, exceptions):
        return None
    return parse(url, name)


def _is_local(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _excepted(host: str, port: int, exceptions: str) -> bool:
    entries = (entry.strip().lower() for entry in exceptions.split(","))
    return any(_matches(entry, host, port) for entry in entries if entry)


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _address(host)
    if "/" in entry:
        return address is not None and _in_network(address, entry)
    name, _, wanted = entry.rpartition(":")
    if name and wanted.isdigit() and _address(entry) is None:
        if int(wanted) != port:
            return False
        entry = name.strip("[]")
    if address is not None:
        return _address(entry) == address
    suffix = entry.removeprefix("*")
    return (
        host.endswith(suffix)
        if suffix.startswith(".")
        else host == entry or host.endswith(f".{entry}")
    )


def _in_network(address: ipaddress.IPv4Address | ipaddress.IPv6Address, entry: str) -> bool:
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
