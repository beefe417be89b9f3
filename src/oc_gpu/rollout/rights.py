"""Which rights a road needs, and which of them this user lacks: known before the first write."""

import asyncio
from collections.abc import Iterable, Iterator

from msgspec import Struct

from oc_gpu.checks.inputs import Rights
from oc_gpu.kube import Client, ForbiddenError, OcGpuError, Resource
from oc_gpu.kube.resources import PODS
from oc_gpu.rollout import grants
from oc_gpu.rollout.grants import Grant
from oc_gpu.rollout.survey import Survey
from oc_gpu.snapshot.packages import NAMESPACE as CATALOGS
from oc_gpu.snapshot.sources import Source
from oc_gpu.stages import record as records
from oc_gpu.stages.model import Action, Apply, Delete

_AT_ONCE = 8
_SHOWN = 10


class Right(Struct, frozen=True):
    """One right, as RBAC words it."""

    verb: str
    resource: Resource
    namespace: str | None = None
    name: str | None = None
    subresource: str | None = None

    def __str__(self) -> str:
        """Return such as `create pods in oc-gpu`, `patch clusterpolicies.nvidia.com`."""
        where = f" in {self.namespace}" if self.namespace and self.resource.namespaced else ""
        return f"{self.verb} {self.what}{where}"

    @property
    def what(self) -> str:
        """Return the resource with its group and subresource."""
        group = f".{self.resource.group}" if self.resource.group else ""
        sub = f"/{self.subresource}" if self.subresource else ""
        return f"{self.resource.plural}{group}{sub}"

    @property
    def command(self) -> str:
        """Return the command that asks for it."""
        where = f" -n {self.namespace}" if self.namespace and self.resource.namespaced else ""
        group = f".{self.resource.group}" if self.resource.group else ""
        sub = f" --subresource={self.subresource}" if self.subresource else ""
        return f"oc auth can-i {self.verb} {self.resource.plural}{group}{sub}{where}"


class MissingRightsError(OcGpuError):
    """The user may not do all that is planned.

    Attributes:
        rights: What is missing.
    """

    exit_code = 3

    def __init__(self, rights: tuple[Right, ...]) -> None:
        super().__init__(
            f"rights are missing, so nothing was written: {_named(rights)}",
            hints=(
                f"see it with `{rights[0].command}`, and who you are with `oc whoami`",
                "a cluster administrator can grant them all: oc-gpu rbac | oc apply -f -",
            ),
        )
        self.rights = rights


def required(actions: Iterable[Action], sources: Iterable[Source]) -> tuple[Right, ...]:
    """Return the rights that some writes and their watches need.

    An apply needs `create` as well as `patch`: the server asks for both when it makes the object.
    """
    reads = [
        Right(verb, source.resource, namespace, grants.only_name(source))
        for source in sources
        for namespace in source.namespaces or (None,)
        for verb in ("list", "watch")
    ]
    return tuple(dict.fromkeys([*reads, *(right for action in actions for right in _of(action))]))


def _of(action: Action) -> tuple[Right, ...]:
    ref = action.ref
    if isinstance(action, Apply):
        create = Right("create", ref.resource, ref.namespace)
        change = Right("patch", ref.resource, ref.namespace, ref.name)
        return (create,) if action.adopt else (create, change)
    if isinstance(action, Delete) and action.evicts:
        return tuple(_all(grants.EVICTING, ref.namespace))
    verb = "delete" if isinstance(action, Delete) else "patch"
    return (Right(verb, ref.resource, ref.namespace, ref.name),)


def of_survey(found: Survey) -> tuple[Right, ...]:
    """Return the rights that the road of a survey needs, those of later steps included."""
    now = (*required(found.actions, found.walked), *_claiming())
    return tuple(dict.fromkeys([*now, *(_later_back(found) if _is_undo(found) else _later(found))]))


def _claiming() -> Iterator[Right]:
    """Yield what keeps other runs from writing at the same time."""
    for grant in grants.CLAIMING:
        for verb in grant.verbs:
            for name in grant.names or (None,):
                yield Right(verb, grant.resource, records.NAMESPACE, name)


def _is_undo(found: Survey) -> bool:
    return found.purpose == "undo"


def _later(found: Survey) -> tuple[Right, ...]:
    """Return what shows only on the way: logs of proof pods, approvals, the taint."""
    platform = found.context.platform
    rights = [*_all(grants.OFFERS, CATALOGS)]
    for install in (platform.nfd, platform.gpu):
        rights += _all(grants.APPROVAL, install.namespace)
    if any(action.ref.resource == PODS for action in found.actions):
        rights += _all(grants.LOG, "default")
    if found.context.taint is not None:
        rights += _all(grants.TAINTING)
    return tuple(rights)


def _all(grant: Grant, namespace: str | None = None) -> Iterator[Right]:
    for verb in grant.verbs:
        yield Right(verb, grant.resource, namespace, subresource=grant.subresource)


def _later_back(found: Survey) -> tuple[Right, ...]:
    """Return what removing the operators' left-overs needs, which show when they are gone."""
    if found.context.record is None and not found.context.lost:
        return ()
    evicting = (grants.EVICTING,) if found.wish.allowed.evict_workloads else ()
    return tuple(right for grant in (*evicting, *grants.LEFTOVERS) for right in _all(grant))


class Answers(Struct, frozen=True):
    """What the server says of this user's rights.

    Attributes:
        asked: How many rights were asked for.
        missing: Those that it denies.
        unasked: Those that it would not be asked for, which may be there or not.
    """

    asked: int
    missing: tuple[Right, ...] = ()
    unasked: tuple[Right, ...] = ()


async def ask(client: Client, rights: Iterable[Right]) -> Answers:
    """Return which of some rights this user lacks, by asking the server for each.

    A right on everything of a kind is asked for first: the same question for many objects is then
    one; where it is denied, each object is asked for by name.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def allowed(right: Right) -> bool | None:
        async with gate:
            try:
                return await client.can_i(
                    right.verb, right.resource, right.namespace, right.name, right.subresource
                )
            except ForbiddenError:
                return None

    wanted = tuple(dict.fromkeys(rights))
    broad = tuple(dict.fromkeys(_broad(right) for right in wanted))
    answers = dict(zip(broad, await asyncio.gather(*map(allowed, broad)), strict=True))
    denied = [right for right in wanted if answers[_broad(right)] is False]
    narrow = await asyncio.gather(*(allowed(right) for right in denied if right.name))
    granted = {r for r, yes in zip([r for r in denied if r.name], narrow, strict=True) if yes}
    return Answers(
        asked=len(broad),
        missing=tuple(dict.fromkeys(_broad(right) for right in denied if right not in granted)),
        unasked=tuple(right for right, yes in answers.items() if yes is None),
    )


def _broad(right: Right) -> Right:
    return Right(right.verb, right.resource, right.namespace, None, right.subresource)


async def of(client: Client, found: Survey) -> Answers:
    """Return what the server says of the rights that the road of a survey needs."""
    return await ask(client, of_survey(found))


async def demand(client: Client, found: Survey) -> Answers:
    """Insist on every right that the road of a survey needs.

    Raises:
        MissingRightsError: Some are missing.
    """
    answers = await of(client, found)
    if answers.missing:
        raise MissingRightsError(answers.missing)
    return answers


async def of_others(client: Client, found: Survey) -> tuple[str, ...]:
    """Return which rights of other commands are missing, such as `disable: delete nodes`.

    Who can set up a cluster should know before that the way back is closed. What the road of the
    survey needs itself is left out: it is asked for where it is needed, and not everywhere.
    """
    asked = {(right.verb, right.what, right.name) for right in of_survey(found)}
    wanted = {
        command: tuple(
            Right(verb, grant.resource, None, name, grant.subresource)
            for grant in given
            for verb in grant.verbs
            for name in grant.names or (None,)
        )
        for command, given in grants.by_command().items()
    }
    every = (right for rights in wanted.values() for right in rights)
    answers = await ask(client, (r for r in every if (r.verb, r.what, r.name) not in asked))
    missing = set(answers.missing)
    lines = {
        command: ", ".join(
            dict.fromkeys(str(_broad(right)) for right in rights if _broad(right) in missing)
        )
        for command, rights in wanted.items()
    }
    return tuple(f"{command}: {line}" for command, line in lines.items() if line)


def not_known(answers: Answers) -> str:
    """Say which rights could not be asked for, empty when all could."""
    if not answers.unasked:
        return ""
    return (
        "the server refuses to be asked about rights (SelfSubjectAccessReview), so these could not "
        f"be asked for, and one that is missing shows only on the way: {_named(answers.unasked)}"
    )


def told(answers: Answers, others: tuple[str, ...] = ()) -> Rights:
    """Return the answers as the check of rights looks at them.

    Args:
        answers: About the rights of the road.
        others: Those of other commands that are missing.
    """
    return Rights(
        others=others,
        asked=answers.asked,
        missing=tuple(map(str, answers.missing)),
        unasked=tuple(map(str, answers.unasked)),
        commands=tuple(right.command for right in (*answers.missing, *answers.unasked)[:_SHOWN]),
    )


def _named(rights: tuple[Right, ...]) -> str:
    named = ", ".join(str(right) for right in rights[:_SHOWN])
    return f"{named} and {len(rights) - _SHOWN} more" if len(rights) > _SHOWN else named
