"""The licence of virtual GPUs, as the stage gpu-operator hands it to the driver."""

from oc_gpu import facts
from oc_gpu.config.document import chosen
from oc_gpu.kube import Resource
from oc_gpu.kube.resources import CONFIGMAPS, SECRETS
from oc_gpu.manifests import licence as manifests
from oc_gpu.snapshot.naming import names_of
from oc_gpu.stages import olm
from oc_gpu.stages.context import Context
from oc_gpu.stages.model import Apply, Delete, ObjectRef, Progress, State
from oc_gpu.stages.ownership import is_ours

TABLE = "licences"


def resource(era: facts.OperatorEra) -> Resource:
    """Return the kind in which an operator takes a licence."""
    return SECRETS if era.licence_kind == SECRETS.kind else CONFIGMAPS


def holder(context: Context) -> str:
    """Return the name of what holds the licence, empty where none is given."""
    named = chosen(context.config.spec.gpu_operator.vgpu.secret, "")
    return named or (manifests.NAME if context.licence is not None else "")


def problem(context: Context) -> Progress | None:
    """Return why virtual GPUs would not work, None where there are none or they would."""
    spec = context.config.spec.gpu_operator
    label = facts.gpu_labels().vgpu
    nodes = [n for n in context.platform.gpu_nodes if n.metadata.labels.get(label) == "true"]
    virtual = tuple(f"Node/{name}" for name in names_of(nodes))
    if context.snapshot.table("clusterpolicies") and not spec.vgpu.given:
        return None  # what is there already has been given a driver, and verify judges it
    if not (spec.vgpu.given or virtual):
        return None
    if not (spec.driver.given or "driver" in spec.cluster_policy):
        detail = "virtual GPUs need the guest driver of their vGPU release, and none is named"
        hints = ("give repository, image and version in spec.gpuOperator.driver",)
        return Progress(State.BLOCKED, detail, hints, "vgpu-needs-guest-driver", virtual)
    return _unlicensed(context, virtual)


def _unlicensed(context: Context, virtual: tuple[str, ...]) -> Progress | None:
    named = chosen(context.config.spec.gpu_operator.vgpu.secret, "")
    era, space = context.platform.operator.era, context.platform.operand_namespace
    if not era.licence:
        detail = f"GPU Operator {context.platform.operator.version} takes no licence of vGPUs"
        return Progress(State.BLOCKED, detail, cause="vgpu-unlicensed", objects=virtual)
    if not holder(context):
        detail = "virtual GPUs need a licence, and none is given"
        hints = ("give spec.gpuOperator.vgpu.token of the GpuPlatform document",)
        return Progress(State.BLOCKED, detail, hints, "vgpu-unlicensed", virtual)
    if named and context.snapshot.known(TABLE) and not context.snapshot.raw(TABLE, named, space):
        detail = f"{era.licence_kind}/{named} in {space} is to hold the licence and is not there"
        hints = ("give files instead: spec.gpuOperator.vgpu.token of the GpuPlatform document",)
        return Progress(State.BLOCKED, detail, hints, "vgpu-unlicensed", virtual)
    return None


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
