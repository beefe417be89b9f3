"""The lab's machines: what only kernels, kubelets and cards can do is played, after real specs."""

import asyncio
from collections.abc import AsyncIterator, Hashable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from lab import hosts
from lab.clock import LabClock
from lab.ground import Site
from lab.kubelet.actor import NodeActor
from lab.kubelet.server import KubeletServer, tls_context
from lab.pods import OperatorPods
from lab.service_ca import ServiceCertificates
from oc_gpu.kube import RawObject, Resource
from oc_gpu.kube.resources import PODS
from oc_gpu.sim.actors.framework import ActorContext, Controller, Informers, Watch, running
from oc_gpu.sim.actors.kubelet import Kubelets
from oc_gpu.sim.actors.machine_config import MachineConfigDaemons
from oc_gpu.sim.actors.proxy import TrustedBundles
from oc_gpu.sim.hardware.features import local_features

_LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")
_LEASE_NAMESPACE: Final = "kube-node-lease"
_KUBELET_PORT: Final = 10250
_RENEW_SECONDS: Final = 10.0


@asynccontextmanager
async def nodes(site: Site, *, speed: float) -> AsyncIterator[Kubelets]:
    """Run the machines of a lab inside the block.

    Args:
        site: The lab.
        speed: How much faster than in life the played parts go: reboots, pulls, builds.
    """
    roots = {
        facts.name: site.network.folder / "hosts" / facts.name for facts in site.scenario.nodes
    }
    for facts in site.scenario.nodes:
        hosts.build(roots[facts.name], facts)
    async with site.plane.client("node-actor") as client:
        informers = Informers(client)
        context = ActorContext(client, informers, LabClock(speed), site.scenario)
        kubelets = Kubelets(context)
        kubelets.runtime = OperatorPods(site, roots, kubelets.sources)
        actors = (
            kubelets,
            MachineConfigDaemons(context, kubelets),
            Heartbeats(context, kubelets),
            FeatureFiles(context, roots),
            TrustedBundles(context),
            ServiceCertificates(context),
        )
        certificate = (site.plane.folder / "server.crt", site.plane.folder / "server.key")
        server = KubeletServer(NodeActor(kubelets), tls_context(*certificate))
        async with running(actors, informers), server:
            for facts in site.scenario.nodes:
                site.network.lead(facts.address, _KUBELET_PORT, server.opener(facts.name))
            yield kubelets


class Heartbeats(Controller):
    """Renews each machine's Lease while it is up; without, the cluster calls it unknown."""

    name = "kubelet-lease"

    def __init__(self, context: ActorContext, kubelets: Kubelets) -> None:
        super().__init__(context)
        self._kubelets = kubelets

    def register(self) -> None:
        """Begin with the actors."""
        for name in self._kubelets.machines:
            self.enqueue(name)

    async def reconcile(self, key: Any) -> None:
        """Renew the Lease of one machine, and again after a while of the wall."""
        if self._kubelets.machines[key].is_up:
            await self._renew(key)
        self.spawn(self._beat(key))

    async def _beat(self, node: str) -> None:
        await asyncio.sleep(_RENEW_SECONDS)
        self.enqueue(node)

    async def _renew(self, node: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": now}
        lease = {
            "apiVersion": _LEASES.api_version,
            "kind": _LEASES.kind,
            "metadata": {"name": node, "namespace": _LEASE_NAMESPACE},
            "spec": spec,
        }
        await self.context.client.apply(_LEASES, lease, force=True)


class FeatureFiles(Controller):
    """Leaves on each machine the features file that gpu-feature-discovery writes there."""

    name = "gpu-feature-discovery"

    def __init__(self, context: ActorContext, roots: dict[str, Path]) -> None:
        super().__init__(context)
        self._roots = roots

    def watches(self) -> Sequence[Watch]:
        """Return pods."""
        return (Watch(PODS, self._nodes_of),)

    def _nodes_of(self, pod: RawObject) -> Iterable[Hashable]:
        node = pod["spec"].get("nodeName")
        return (node,) if node in self._roots else ()

    async def reconcile(self, key: Any) -> None:
        """Write the file of one machine, or take it away."""
        facts = next(n for n in self.scenario.nodes if n.name == key)
        labels = local_features(
            self.scenario, facts, self.cache(PODS).list(), self.context.layouts.get(key)
        )
        path = self._roots[key] / hosts.FEATURES[1:] / "gfd"
        if not labels:
            path.unlink(missing_ok=True)
            return
        partial = path.with_name(".gfd")
        partial.write_text("".join(f"{k}={v}\n" for k, v in labels.items()))
        partial.rename(path)
