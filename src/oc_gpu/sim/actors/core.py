"""The actors that every Kubernetes cluster has, put together."""

from oc_gpu.sim.actors.daemonsets import DaemonSets
from oc_gpu.sim.actors.deployments import Deployments, ReplicaSets
from oc_gpu.sim.actors.disruption import Disruptions
from oc_gpu.sim.actors.framework import ActorContext, Controller
from oc_gpu.sim.actors.garbage import GarbageCollector
from oc_gpu.sim.actors.jobs import Jobs
from oc_gpu.sim.actors.kubelet import Kubelets
from oc_gpu.sim.actors.machine_config import MachineConfigDaemons
from oc_gpu.sim.actors.node.runtime import Runtime
from oc_gpu.sim.actors.scheduler import Scheduler


def core_actors(
    context: ActorContext, runtime: Runtime | None = None
) -> tuple[Kubelets, tuple[Controller, ...]]:
    """Return the node actor, which also serves logs and exec, and all actors (it included).

    Args:
        context: What every actor is given.
        runtime: Runs containers that are real programs.
    """
    kubelets = Kubelets(context, runtime)
    return kubelets, (
        kubelets,
        MachineConfigDaemons(context, kubelets),
        Scheduler(context),
        DaemonSets(context),
        Deployments(context),
        ReplicaSets(context),
        Jobs(context),
        Disruptions(context),
        GarbageCollector(context),
    )
