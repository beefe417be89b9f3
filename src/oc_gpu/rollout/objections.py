"""What speaks against the way back: what it would end of others, told before the first write."""

from oc_gpu.kube import OcGpuError
from oc_gpu.kube.resources import CLUSTER_POLICIES
from oc_gpu.rollout.survey import Survey
from oc_gpu.snapshot.kinds import Tenant
from oc_gpu.stages.engine import find
from oc_gpu.stages.model import Delete
from oc_gpu.stages.ownership import changed_by, is_ours
from oc_gpu.stages.tenants import tenants

_SHOWN = 10
_FIELDS = 3


def insist_on_idle(found: Survey) -> None:
    """Insist that no pod of others uses a GPU, where the way back takes the GPUs away.

    Raises:
        OcGpuError: Some do, and the user did not allow to evict them; nothing was written.
    """
    takes_away = any(action.ref.resource == CLUSTER_POLICIES for action in _due(found))
    users = tenants(found.context)
    if not takes_away or not users or found.wish.allowed.evict_workloads:
        return
    named = _listed([_user(pod) for pod in users])
    message = f"pods use GPUs, so nothing was removed: {named}"
    first = users[0].metadata
    raise OcGpuError(
        message,
        hints=(
            f"end them, such as: oc delete pod {first.name} -n {first.namespace}",
            "oc-gpu disable --evict-workloads evicts them once their GPUs are taken away",
        ),
    )


def _user(pod: Tenant) -> str:
    meta = pod.metadata
    return f"{meta.namespace}/{meta.name} on {pod.spec.node_name} ({pod.cards})"


def insist_on_unchanged(found: Survey) -> None:
    """Insist that nobody else has changed the objects that the way back removes.

    Raises:
        OcGpuError: Somebody has, and the user did not allow to lose it; nothing was written.
    """
    if found.wish.allowed.force_conflicts:
        return
    changed = [
        f"{action.ref} by {who} ({_listed(list(paths), _FIELDS)})"
        for action in _due(found)
        if isinstance(live := find(action.ref, found.snapshot), dict) and is_ours(live)
        for who, paths in changed_by(live).items()
    ]
    if not changed:
        return
    message = f"others have changed what oc-gpu made, so nothing was removed: {_listed(changed)}"
    raise OcGpuError(
        message,
        hints=(
            "keep what they need of it: oc get KIND NAME -o yaml --show-managed-fields",
            "oc-gpu disable --force-conflicts removes it all the same",
        ),
    )


def _due(found: Survey) -> list[Delete]:
    return [action for action in found.actions if isinstance(action, Delete)]


def _listed(names: list[str], shown: int = _SHOWN) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{', '.join(names[:shown])}{more}"
