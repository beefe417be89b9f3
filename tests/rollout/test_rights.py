"""Which rights a road needs, and how few questions find out which are missing."""

import asyncio
from typing import Any, cast

from oc_gpu.kube import Client, Resource
from oc_gpu.kube.resources import CLUSTER_ROLES, CONFIGMAPS, NAMESPACES, NODES, PODS
from oc_gpu.rollout.rights import MissingRightsError, Right, missing, required
from oc_gpu.snapshot.sources import Source
from oc_gpu.stages.model import Apply, Delete, ObjectRef, Patch


class Asked:
    """A server that allows some rights and keeps the questions."""

    def __init__(self, allowed: set[Right]) -> None:
        self.allowed = allowed
        self.questions: list[Right] = []

    async def can_i(
        self,
        verb: str,
        resource: Resource,
        namespace: str | None = None,
        name: str | None = None,
        subresource: str | None = None,
    ) -> bool:
        right = Right(verb, resource, namespace, name, subresource)
        self.questions.append(right)
        return right in self.allowed


def ask(server: Asked, *rights: Right) -> tuple[Right, ...]:
    return asyncio.run(missing(cast("Client", server), rights))


def roles(*names: str) -> list[Right]:
    return [Right("delete", CLUSTER_ROLES, name=name) for name in names]


def test_every_source_is_listed_and_watched_in_each_of_its_namespaces() -> None:
    source = Source("pods", PODS, namespaces=("a", "b"))
    assert set(required((), (source,))) == {
        Right(verb, PODS, where) for verb in ("list", "watch") for where in ("a", "b")
    }


def test_an_apply_needs_create_as_well_as_patch() -> None:
    action = Apply(ObjectRef(CONFIGMAPS, "x", "ns"), {})
    assert required((action,), ()) == (
        Right("create", CONFIGMAPS, "ns"),
        Right("patch", CONFIGMAPS, "ns", "x"),
    )


def test_what_is_only_made_needs_no_patch() -> None:
    action = Apply(ObjectRef(NAMESPACES, "x"), {}, adopt=True)
    assert required((action,), ()) == (Right("create", NAMESPACES),)


def test_patches_and_deletes_need_their_own_verb() -> None:
    patch = Patch(ObjectRef(NODES, "n"), {}, holds=False, why="test")
    delete = Delete(ObjectRef(NAMESPACES, "x"))
    assert [right.verb for right in required((patch, delete), ())] == ["patch", "delete"]


def test_many_objects_of_a_kind_are_one_question() -> None:
    server = Asked({Right("delete", CLUSTER_ROLES)})
    assert ask(server, *roles("a", "b", "c")) == ()
    assert server.questions == [Right("delete", CLUSTER_ROLES)]


def test_a_right_on_named_objects_is_enough() -> None:
    server = Asked(set(roles("a", "b")))
    assert ask(server, *roles("a", "b")) == ()


def test_a_right_that_is_missing_for_one_object_is_missing() -> None:
    server = Asked(set(roles("a")))
    assert ask(server, *roles("a", "b")) == (Right("delete", CLUSTER_ROLES),)


def test_the_error_names_the_rights_and_how_to_ask() -> None:
    right = Right("patch", Resource("g.io", "v1", "xs", "X"), "ns", subresource="status")
    error = MissingRightsError((right,))
    assert "patch xs.g.io/status in ns" in str(error)
    assert "oc auth can-i patch xs.g.io --subresource=status -n ns" in error.hints[0]
    assert error.exit_code == 3


def test_an_error_about_many_rights_stays_short() -> None:
    rights: Any = tuple(Right("get", Resource("", "v1", f"k{n}s", "K")) for n in range(50))
    assert "and 40 more" in str(MissingRightsError(rights))
