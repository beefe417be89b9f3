"""Which rights a road needs, and how few questions find out which are missing."""

import asyncio
from typing import Any, cast

from oc_gpu.checks import preflight
from oc_gpu.checks.catalogue import run_all
from oc_gpu.checks.context import inputs
from oc_gpu.checks.model import Finding, Severity
from oc_gpu.kube import Client, Resource
from oc_gpu.kube.resources import CLUSTER_ROLES, CONFIGMAPS, NAMESPACES, NODES, PODS
from oc_gpu.report import walk
from oc_gpu.report.documents import Cluster, findings
from oc_gpu.report.findings import summary
from oc_gpu.report.look import Look
from oc_gpu.rollout import commands, rights
from oc_gpu.rollout.events import Event, Notice
from oc_gpu.rollout.rights import MissingRightsError, Right, required
from oc_gpu.rollout.survey import survey
from oc_gpu.sim.scenario import DenyRule
from oc_gpu.snapshot.sources import Source
from oc_gpu.stages.model import Apply, Delete, ObjectRef, Patch, State
from tests.rollout.clusters import Wire, on_cluster, wish


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


def ask(server: Asked, *wanted: Right) -> tuple[Right, ...]:
    return asyncio.run(rights.ask(cast("Client", server), wanted)).missing


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
    lacking: Any = tuple(Right("get", Resource("", "v1", f"k{n}s", "K")) for n in range(50))
    assert "and 40 more" in str(MissingRightsError(lacking))


NOT_ASKED = DenyRule(verbs=("create",), resources=("selfsubjectaccessreviews",))


def test_rights_that_cannot_be_asked_for_are_unknown_and_said_to_be() -> None:
    async def act(client: Client, _: Wire) -> None:
        events: list[Event] = []
        outcome = await commands.enable(client, wish(), events.append, timeout=20)
        assert all(a.state in (State.DONE, State.NOT_NEEDED) for a in outcome.assessments)
        told = [event.message for event in events if isinstance(event, Notice)]
        assert "could not be asked for" in told[0]
        assert "patch nodes" in told[0] or " more" in told[0]
        assert outcome.unknown == (told[0],)
        text = "\n".join(walk.text(walk.document("Enable", Cluster(server=""), outcome), Look()))
        assert told[0] in text

    on_cluster(act, denied=(NOT_ASKED,))


def test_the_check_of_rights_says_what_is_missing_and_what_is_not_known() -> None:
    async def look(client: Client) -> Finding:
        found = await survey(client, wish())
        answers = await rights.of(client, found)
        every = run_all(preflight.CHECKS, inputs(found.context, rights.told(answers)))
        return next(finding for finding in every if finding.check == "rights")

    async def unknown(client: Client, _: Wire) -> None:
        finding = await look(client)
        assert finding.severity is Severity.UNKNOWN
        assert any("nodes" in evidence.quote for evidence in finding.evidence)

    async def lacking(client: Client, _: Wire) -> None:
        finding = await look(client)
        assert finding.severity is Severity.ERROR
        assert "create subscriptions.operators.coreos.com" in finding.evidence[0].quote
        assert any("oc auth can-i create subscriptions" in line for line in finding.remedy)

    async def good(client: Client, _: Wire) -> None:
        assert (await look(client)).severity is Severity.OK

    denied = DenyRule(verbs=("create",), resources=("subscriptions",))
    on_cluster(unknown, denied=(NOT_ASKED,))
    on_cluster(lacking, denied=(denied,))
    on_cluster(good)


def test_the_summary_of_a_check_does_not_take_unknown_for_good() -> None:
    told = (
        Finding("OCG0104", "rights", Severity.UNKNOWN, "access", "it is not known"),
        Finding("OCG0103", "nodes", Severity.OK, "access", "all nodes are ready"),
    )
    document = findings("Check", Cluster(server=""), told, clean=True, simulated=False)
    assert summary(document) == (
        "1 unknown, 1 ok: nothing that is known stands in the way; what is unknown may"
    )
