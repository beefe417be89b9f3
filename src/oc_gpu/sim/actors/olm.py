"""The Operator Lifecycle Manager, version 0: catalogs, Subscriptions, plans, CSVs, groups."""

from oc_gpu.sim.actors.framework import ActorContext, Controller
from oc_gpu.sim.actors.olm_catalog import Catalogs
from oc_gpu.sim.actors.olm_csv import ClusterServiceVersions
from oc_gpu.sim.actors.olm_groups import OperatorGroups
from oc_gpu.sim.actors.olm_names import OPERATORS_SINCE
from oc_gpu.sim.actors.olm_plans import InstallPlans
from oc_gpu.sim.actors.olm_subscriptions import OperatorObjects, Subscriptions


def olm_actors(context: ActorContext) -> tuple[Controller, ...]:
    """Return the controllers of OLM for this release."""
    actors: tuple[Controller, ...] = (
        Catalogs(context),
        Subscriptions(context),
        InstallPlans(context),
        ClusterServiceVersions(context),
        OperatorGroups(context),
    )
    if context.scenario.openshift.minor >= OPERATORS_SINCE:
        actors = (*actors, OperatorObjects(context))
    return actors
