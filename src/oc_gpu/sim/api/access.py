"""Who may do what: everybody everything, except what a scenario denies."""

from collections.abc import Sequence

from msgspec import Struct

from oc_gpu.kube.objects import Resource
from oc_gpu.sim.api.errors import describe, qualified
from oc_gpu.sim.api.messages import SIMULATOR, StatusError
from oc_gpu.sim.scenario import DenyRule


class Attempt(Struct, frozen=True):
    """What a user wants to do, in the words of RBAC."""

    user: str
    verb: str
    resource: Resource
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def target(self) -> str:
        """Return `plural` or `plural/subresource`."""
        plural = self.resource.plural
        return f"{plural}/{self.subresource}" if self.subresource else plural


class Access:
    """The rights of the cluster's users.

    Args:
        denied: Rules of the scenario; an empty list in a rule means any.
    """

    def __init__(self, denied: Sequence[DenyRule] = ()) -> None:
        self.denied = tuple(denied)

    def allows(self, attempt: Attempt) -> bool:
        """Tell whether the user may."""
        if attempt.user == SIMULATOR:
            return True
        return not any(_concerns(rule, attempt) for rule in self.denied)

    def check(self, attempt: Attempt) -> None:
        """Refuse what the user may not do.

        Raises:
            StatusError: 403.
        """
        if self.allows(attempt):
            return
        resource = attempt.resource
        where = f'in the namespace "{attempt.namespace}"'
        if not attempt.namespace:
            where = "at the cluster scope"
        what = f'{qualified(resource)} "{attempt.name}"' if attempt.name else qualified(resource)
        message = (
            f'{what} is forbidden: User "{attempt.user}" cannot {attempt.verb} resource '
            f'"{attempt.target}" in API group "{resource.group}" {where}'
        )
        raise StatusError(403, "Forbidden", message, describe(resource, attempt.name))


def _concerns(rule: DenyRule, attempt: Attempt) -> bool:
    plural = attempt.resource.plural
    targets = {attempt.target, f"{plural}/*"} if attempt.subresource else {plural}
    return (
        _covers(rule.verbs, {attempt.verb})
        and _covers(rule.api_groups, {attempt.resource.group})
        and _covers(rule.resources, targets)
        and _covers(rule.namespaces, {attempt.namespace})
        and _covers(rule.names, {attempt.name})
    )


def _covers(listed: Sequence[str], values: set[str]) -> bool:
    return not listed or "*" in listed or any(value in listed for value in values)
