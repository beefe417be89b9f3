"""From options to a client: kubeconfig or in-cluster, credentials, endpoint, transport."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import SplitResult, quote, urlsplit

from msgspec import Struct

from oc_gpu.kube import kubeconfig, proxy
from oc_gpu.kube.client import Client, Origin
from oc_gpu.kube.credentials import credentials
from oc_gpu.kube.dialing import Endpoint
from oc_gpu.kube.errors import ConfigError
from oc_gpu.kube.kubeconfig import Access, Cluster, User
from oc_gpu.kube.network import NetworkTransport, Settings
from oc_gpu.kube.sending import Retry
from oc_gpu.kube.tls import pem

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a kubelet puts a pod's token, CA and namespace."""
_PORTS = {"http": 80, "https": 443}


class ConnectOptions(Struct, frozen=True):
    """How to find and reach the server.

    Attributes:
        kubeconfig: This file only; None reads `KUBECONFIG`, then `~/.kube/config`.
        context: Context other than the current one.
        namespace: Namespace other than the context's.
        impersonate: User to act as (`--as`).
        timeout: Seconds to wait for an answer to begin, and for each further piece of it.
        unreachable: Seconds after which a server that cannot be reached is given up.
    """

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    impersonate: str | None = None
    timeout: float = 30.0
    unreachable: float = 10.0


def connect(options: ConnectOptions, environ: Mapping[str, str] | None = None) -> Client:
    """Return a client for the options.

    Args:
        options: What the command line says.
        environ: Environment, None for this process's.

    Raises:
        ConfigError: The kubeconfig cannot be used, or there is none.
    """
    environment = os.environ if environ is None else environ
    access = find(options, environment)
    transport = _transport(access, options, environment)
    return Client(
        transport,
        namespace=options.namespace or access.namespace or "default",
        retry=Retry(unreachable=options.unreachable),
        origin=Origin(transport.settings.endpoint.url, access.context_name),
    )


def find(options: ConnectOptions, environ: Mapping[str, str]) -> Access:
    """Return the cluster and user to speak to; a pod's own cluster only without a kubeconfig.

    Raises:
        ConfigError: There is none, or it cannot be used.
    """
    config = kubeconfig.load(options.kubeconfig, environ)
    if not config.empty:
        return kubeconfig.choose(config, options.context)
    inside = in_cluster(environ, SERVICE_ACCOUNT)
    if inside is not None and not (options.kubeconfig or options.context):
        return inside
    message = f"there is no kubeconfig: {', '.join(config.searched)} is missing or empty"
    raise ConfigError(
        message,
        hints=("log in with `oc login SERVER`, or name a file with --kubeconfig or KUBECONFIG",),
    )


def in_cluster(environ: Mapping[str, str], folder: Path) -> Access | None:
    """Return the access that a pod has to its own cluster, None outside of one."""
    host = environ.get("KUBERNETES_SERVICE_HOST")
    port = environ.get("KUBERNETES_SERVICE_PORT")
    token, namespace = folder / "token", folder / "namespace"
    if not (host and port and token.exists()):
        return None
    address = f"[{host}]" if ":" in host else host
    ca = folder / "ca.crt"
    return Access(
        Cluster(
            server=f"https://{address}:{port}",
            certificate_authority=str(ca) if ca.exists() else None,
        ),
        User(token_file=str(token)),
        namespace=namespace.read_text("utf-8").strip() if namespace.exists() else None,
    )


def _transport(
    access: Access, options: ConnectOptions, environ: Mapping[str, str]
) -> NetworkTransport:
    cluster = access.cluster
    parts = _server(access)
    settings = Settings(
        _endpoint(cluster, parts, environ),
        parts.path.rstrip("/"),
        pem(
            cluster.certificate_authority_data,
            cluster.certificate_authority,
            "certificate-authority",
        ),
        insecure=cluster.insecure_skip_tls_verify,
        headers=tuple(_impersonation(access.user, options.impersonate)),
        timeout=options.timeout,
        connect_timeout=min(options.timeout, options.unreachable),
    )
    return NetworkTransport(settings, credentials(access, interactive=_terminal()))


def _server(access: Access) -> SplitResult:
    """Return the parts of the server's URL; without a scheme TLS settings decide, as in kubectl."""
    cluster = access.cluster
    url = cluster.server
    if "://" not in url:
        secured = (
            cluster.certificate_authority
            or cluster.certificate_authority_data
            or cluster.insecure_skip_tls_verify
        )
        url = f"{'https' if secured else 'http'}://{url}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        message = f"the server of context {access.context_name!r} is not an http or https URL"
        raise ConfigError(message, hints=("it looks like https://api.cluster.example.com:6443",))
    return parts


def _endpoint(cluster: Cluster, parts: SplitResult, environ: Mapping[str, str]) -> Endpoint:
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    way: proxy.Proxy | None
    if cluster.proxy_url:
        way = proxy.parse(cluster.proxy_url, "proxy-url of the cluster")
    else:
        way = proxy.from_environment(parts.scheme, host, port, environ)
    authority = parts.netloc.rpartition("@")[2]
    return Endpoint(
        host,
        port,
        parts.scheme == "https",
        cluster.tls_server_name or None,
        way,
        f"{parts.scheme}://{authority}{parts.path.rstrip('/')}",
    )


def _impersonation(user: User, named: str | None) -> Iterator[tuple[str, str]]:
    """Yield the headers of acting as somebody else (kubernetes.io, "User impersonation")."""
    name = named or user.as_user
    if not name:
        return
    yield "Impersonate-User", name
    if user.as_uid:
        yield "Impersonate-Uid", user.as_uid
    for group in user.as_groups or ():
        yield "Impersonate-Group", group
    for key, values in (user.as_user_extra or {}).items():
        for value in values:
            yield f"Impersonate-Extra-{quote(key, safe='')}", value


def _terminal() -> bool:
    """Tell whether a credential plugin can ask the user something."""
    return bool(sys.stdin and sys.stdin.isatty())
