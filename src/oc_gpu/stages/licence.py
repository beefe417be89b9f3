"""The licence of virtual GPUs, as the stage gpu-operator hands it to the driver."""

from oc_gpu import facts
from oc_gpu.config.document import chosen
from oc_gpu.kube import Resource
from oc_gpu.kube.resources import CONFIGMAPS, SECRETS
from oc_gpu.manifests import licence as manifests
from oc_gpu.stages import olm
from oc_gpu.stages.context import Context
from oc_gpu.stages.model import Apply, Delete, ObjectRef
from oc_gpu.stages.ownership import is_ours

TABLE = "licences"


def resource(era: facts.OperatorEra) -> Resource:
    """Return the kind in which an operator takes a licence."""
    return SECRETS if era.licence_kind == SECRETS.kind else CONFIGMAPS


def holder(context: Context) -> str:
    """Return the name of what holds the licence, empty where none is given."""
    named = chosen(context.config.spec.gpu_operator.vgpu.secret, "")
    return named or (manifests.NAME if context.licence is not None else "")


def wanted(context: Context) -> tuple[Apply, ...]:
    """Return the action that makes what holds the licence, none where there is nothing to make."""
    era = context.platform.operator.era
    if context.licence is None or not era.licence:
        return ()
    space = context.platform.operand_namespace
    made = manifests.holder(context.licence, space, era.licence_kind)
    return (olm.apply(resource(era), made),)


def removal(context: Context) -> tuple[Delete, ...]:
    """Return the deletion of what we made."""
    kind, space = resource(context.platform.operator.era), context.platform.operand_namespace
    live = context.snapshot.raw(TABLE, manifests.NAME, space)
    if live is None or not is_ours(live):
        return ()
    return (Delete(ObjectRef(kind, manifests.NAME, space)),)
