"""From options to a connected client: kubeconfig, credentials, TLS, network."""

from msgspec import Struct

from oc_gpu.kube.client import Client


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


def connect(cls: type[Client], options: ConnectOptions) -> Client:
    """Return a client for the options."""
    raise NotImplementedError
