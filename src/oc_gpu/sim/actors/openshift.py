"""The actors that make a Kubernetes cluster an OpenShift, put together."""

from oc_gpu.sim.actors.driver_upgrades import DriverUpgrades
from oc_gpu.sim.actors.framework import ActorContext, Controller
from oc_gpu.sim.actors.gpu_operator import GpuOperator
from oc_gpu.sim.actors.mco import mco_actors
from oc_gpu.sim.actors.nfd import nfd_actors
from oc_gpu.sim.actors.olm import olm_actors
from oc_gpu.sim.actors.proxy import TrustedBundles


def openshift_actors(context: ActorContext) -> tuple[Controller, ...]:
    """Return all actors above the Kubernetes ones, for the scenario's release."""
    return (
        *mco_actors(context),
        *olm_actors(context),
        *nfd_actors(context),
        GpuOperator(context),
        DriverUpgrades(context),
        TrustedBundles(context),
    )
