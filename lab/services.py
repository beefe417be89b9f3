"""Programs of the platform in boxes of their own: OLM, catalogs, the package server."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml

from lab import relay
from lab.control_plane import SERVICE_ADDRESS
from lab.ground import Site
from lab.sandbox import Box

API_SERVER: Final = f"{SERVICE_ADDRESS}:443"
ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
IN_CLUSTER: Final = {"KUBERNETES_SERVICE_HOST": SERVICE_ADDRESS, "KUBERNETES_SERVICE_PORT": "443"}


async def start_service(
    site: Site,
    command: Sequence[str | Path],
    *,
    reaches: Sequence[str] = (),
    serves: Mapping[tuple[str, int], int] | None = None,
    mounts: Mapping[str, str] | None = None,
) -> None:
    """Start a program in a box, as a pod in which the lab's own user is the service account.

    Args:
        site: The lab.
        command: Program on this machine and its arguments; its name names the process.
        reaches: "address:port" that it may reach besides the API server.
        serves: Address and port in the cluster -> the port inside that serves it.
        mounts: More paths inside -> outside.
    """
    path = Path(command[0])
    name, network = path.name, site.network
    folder = network.new_folder()
    incoming = folder / "in.sock"
    for (address, port), inner in (serves or {}).items():
        network.lead(address, port, relay.to_relay(incoming, "127.0.0.1", inner))
    _write_account(site, folder / "account")
    box = Box(
        root=str(folder / "root"),
        command=(f"/{name}", *map(str, command[1:])),
        env={**IN_CLUSTER, "PATH": "/", "HOME": "/"},
        mounts={f"/{name}": str(path), ACCOUNT: str(folder / "account"), **(mounts or {})},
        outgoing=(API_SERVER, *reaches),
        gateway=str(network.gateway),
        incoming=str(incoming),
    )
    arguments, env = network.boxed(box, folder)
    await site.processes.start(f"{name}-{folder.name}", arguments, env=env)


def _write_account(site: Site, folder: Path) -> None:
    """Write what a pod finds of its service account; here it is the lab's own user."""
    config = yaml.safe_load(site.plane.kubeconfig("lab").read_text())
    folder.mkdir(mode=0o700)
    (folder / "token").write_text(config["users"][0]["user"]["token"])
    (folder / "namespace").write_text("openshift-operator-lifecycle-manager")
    authority = Path(config["clusters"][0]["cluster"]["certificate-authority"])
    (folder / "ca.crt").write_bytes(authority.read_bytes())
