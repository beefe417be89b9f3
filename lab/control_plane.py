"""etcd, kube-apiserver, kube-controller-manager and kube-scheduler: the real ones."""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import yaml
from msgspec import Struct

from lab.processes import Processes, free_port
from lab.programs import program
from oc_gpu.kube import Client
from oc_gpu.kube.connect import ConnectOptions
from oc_gpu.kube.errors import OcGpuError
from oc_gpu.sim.api.certificates import issue

SERVICE_ADDRESS: Final = "172.30.0.1"
"""Where pods find the API server: the first address of OpenShift's service network."""
ADMIN: Final = "gpu-admin"
"""A user with no right but those that somebody gives it; what it writes is in the audit log."""
_SERVICE_NETWORK: Final = "172.30.0.0/16"
_USERS: Final = {
    "admin": ("system:admin", "system:masters"),
    ADMIN: ("gpu-admin", ""),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "lab": ("system:serviceaccount:openshift-infra:lab", "system:masters"),
    "node-actor": ("system:node-actor", "system:masters"),
}
_CONTROLLERS: Final = (
    "*",
    "-nodeipam",
    "-node-route-controller",
    "-cloud-node-lifecycle-controller",
)


class ControlPlane(Struct, frozen=True):
    """A control plane that runs.

    Attributes:
        url: The API server's URL, on the loopback.
        port: Its port.
        folder: Certificates, kubeconfigs and data.
        etcd: etcd's URL, on the loopback.
    """

    url: str
    port: int
    folder: Path
    etcd: str

    def kubeconfig(self, user: str = "admin") -> Path:
        """Return the kubeconfig of one of the control plane's users."""
        return self.folder / f"{user}.kubeconfig"

    @property
    def audit_log(self) -> Path:
        """Return the file with a JSON line for every write of `gpu-admin` that was answered."""
        return self.folder / "audit.log"

    def client(self, user: str = "admin") -> Client:
        """Return a client for one of the control plane's users."""
        return Client.connect(ConnectOptions(kubeconfig=str(self.kubeconfig(user))))


@asynccontextmanager
async def control_plane(
    folder: Path, processes: Processes, *, egress: Path | None = None, controllers: bool = True
) -> AsyncIterator[ControlPlane]:
    """Run a control plane inside the block.

    Args:
        folder: A private folder for its data.
        processes: What it runs in; its block must be around this one.
        egress: Unix socket of the HTTP CONNECT proxy through which nodes are reached.
        controllers: Run controller-manager and scheduler too.

    Raises:
        LabError: A program is missing or does not start.
    """
    etcd_port, peer_port, port = free_port(), free_port(), free_port()
    etcd = f"http://127.0.0.1:{etcd_port}"
    plane = ControlPlane(f"https://127.0.0.1:{port}", port, folder, etcd)
    _write_credentials(plane)
    await _start_etcd(plane, processes, peer_port)
    await _start_server(plane, processes, egress)
    async with plane.client() as client:

        async def ready() -> bool:
            try:
                return await client.read("/readyz") == b"ok"
            except OcGpuError:
                return False

        await processes.until("kube-apiserver", ready)
    if controllers:
        await start_controller_manager(plane, processes)
        await _start_manager("kube-scheduler", {}, plane, processes)
    yield plane


def _write_credentials(plane: ControlPlane) -> None:
    folder = plane.folder
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    hosts = ("127.0.0.1", "localhost", SERVICE_ADDRESS, "kubernetes.default.svc")
    for name, names in (("server", hosts), ("front-proxy", ()), ("service-account", ())):
        made = issue(tuple(names))
        _write(folder / f"{name}-ca.crt", made.authority)
        _write(folder / f"{name}.crt", made.certificate)
        _write(folder / f"{name}.key", made.key)
    rows = []
    for name, (user, groups) in _USERS.items():
        token = secrets.token_urlsafe(32)
        rows.append(f'{token},{user},{name},"{groups}"')
        _write(plane.kubeconfig(name), _kubeconfig(plane, user, token))
    _write(folder / "tokens.csv", "\n".join(rows) + "\n")


def _kubeconfig(plane: ControlPlane, user: str, token: str) -> str:
    cluster = {
        "server": plane.url,
        "certificate-authority": str(plane.folder / "server-ca.crt"),
    }
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user}}],
            "current-context": "lab",
        }
    )


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


async def _start_etcd(plane: ControlPlane, processes: Processes, peer_port: int) -> None:
    here, peer = plane.etcd, f"http://127.0.0.1:{peer_port}"
    options: dict[str, object] = {
        "data-dir": plane.folder / "etcd",
        "listen-client-urls": here,
        "advertise-client-urls": here,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        "log-level": "warn",
    }
    # Nothing here has to survive a power cut.
    command: list[str | Path] = [program("etcd"), "--unsafe-no-fsync", *_flags(options)]
    await processes.start("etcd", command)


async def _start_server(plane: ControlPlane, processes: Processes, egress: Path | None) -> None:
    folder = plane.folder
    options: dict[str, object] = {
        "etcd-servers": plane.etcd,
        "bind-address": "127.0.0.1",
        "secure-port": plane.port,
        # The address of the service `kubernetes`; nothing routes to it here.
        "advertise-address": "192.0.2.1",
        "endpoint-reconciler-type": "none",
        "service-cluster-ip-range": _SERVICE_NETWORK,
        "allow-privileged": "true",
        "authorization-mode": "Node,RBAC",
        "token-auth-file": folder / "tokens.csv",
        "tls-cert-file": folder / "server.crt",
        "tls-private-key-file": folder / "server.key",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-signing-key-file": folder / "service-account.key",
        "service-account-key-file": folder / "service-account.crt",
        "requestheader-client-ca-file": folder / "front-proxy-ca.crt",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "proxy-client-cert-file": folder / "front-proxy.crt",
        "proxy-client-key-file": folder / "front-proxy.key",
        "event-ttl": "3h",
        "audit-log-path": plane.audit_log,
        "audit-policy-file": _write_audit_policy(folder),
        "kubelet-preferred-address-types": "InternalIP",
    }
    if egress is not None:
        options["egress-selector-config-file"] = _write_egress(folder, egress)
    await processes.start("kube-apiserver", (program("kube-apiserver"), *_flags(options)))


def _write_audit_policy(folder: Path) -> Path:
    path = folder / "audit-policy.yaml"
    verbs = ["create", "update", "patch", "delete", "deletecollection"]
    rules = [{"level": "Metadata", "users": [ADMIN], "verbs": verbs}, {"level": "None"}]
    document = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": rules,
    }
    path.write_text(yaml.safe_dump(document))
    return path


def _write_egress(folder: Path, socket: Path) -> Path:
    path = folder / "egress.yaml"
    connection = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(socket)}}}
    document = {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": connection}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


async def start_controller_manager(
    plane: ControlPlane, processes: Processes, controllers: Sequence[str] = _CONTROLLERS
) -> None:
    """Start kube-controller-manager.

    Args:
        plane: What it is part of.
        processes: What it runs in.
        controllers: Which controllers it runs, as its own option has them.

    Raises:
        LabError: The program is missing.
    """
    folder = plane.folder
    options: dict[str, object] = {
        "controllers": ",".join(controllers),
        "use-service-account-credentials": "true",
        "service-account-private-key-file": folder / "service-account.key",
        "root-ca-file": folder / "server-ca.crt",
        "flex-volume-plugin-dir": folder / "volume-plugins",
    }
    await _start_manager("kube-controller-manager", options, plane, processes)


async def _start_manager(
    name: str, options: Mapping[str, object], plane: ControlPlane, processes: Processes
) -> None:
    shared = {
        "kubeconfig": plane.kubeconfig(name),
        "leader-elect": "false",
        "bind-address": "127.0.0.1",
        "secure-port": 0,
    }
    await processes.start(name, (program(name), *_flags({**options, **shared})))


def _flags(options: Mapping[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]
