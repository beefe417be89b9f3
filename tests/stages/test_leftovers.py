"""What OLM leaves of an operator, and when it may go."""

from typing import Any

import pytest
from msgspec import convert

from oc_gpu.snapshot.kinds import Meta, Named, Node, Operator
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages import leftovers
from oc_gpu.stages import record as records
from oc_gpu.stages.model import REACHED, Delete, State
from oc_gpu.stages.record import Record
from tests.stages.builders import snapshot

NAME = "nfd.openshift-nfd"
TOPOLOGY = "noderesourcetopologies.topology.node.k8s.io"
GROUPS = ("nfd.openshift.io",)


def left(*parts: str, topologies: tuple[Any, ...] = (), **tables: Any) -> Snapshot:
    refs = [{"kind": "CustomResourceDefinition", "name": p} for p in parts]
    status = {"components": {"refs": refs}}
    operator = convert({"metadata": {"name": NAME}, "status": status}, Operator)
    crds = [
        Named(Meta(name=TOPOLOGY, labels={f"operators.coreos.com/{NAME}": ""})),
        Named(Meta(name="nodefeatures.nfd.openshift.io")),
        Named(Meta(name="widgets.example.com")),
    ]
    known = {TOPOLOGY: topologies, "nodefeatures.nfd.openshift.io": ()}
    return snapshot(crds=crds, operators=(operator,), **{**known, **tables})


def names(found: tuple[Delete, ...]) -> list[str]:
    return [f.ref.name for f in found]


def test_crds_of_other_groups_that_the_bundle_brought_go_too() -> None:
    found = leftovers.crds(left(), Record(), GROUPS, NAME)
    assert names(found) == ["nodefeatures.nfd.openshift.io", TOPOLOGY]


def test_crd_stays_that_was_there_before() -> None:
    found = leftovers.crds(left(), Record(crds=(TOPOLOGY,)), GROUPS, NAME)
    assert names(found) == ["nodefeatures.nfd.openshift.io"]


def test_crd_stays_that_holds_objects() -> None:
    used = left(topologies=(Named(Meta(name="worker-0")),))
    assert TOPOLOGY not in names(leftovers.crds(used, Record(), GROUPS, NAME))


def test_operator_waits_until_olm_sees_no_part_of_it() -> None:
    deletions, progress = leftovers.operator(left(TOPOLOGY), Record(), NAME)
    assert not deletions
    assert progress.state is State.WAITING
    assert TOPOLOGY in progress.detail


def test_operator_goes_when_olm_sees_nothing() -> None:
    deletions, progress = leftovers.operator(left(), Record(), NAME)
    assert names(deletions) == [NAME]
    assert progress == REACHED


def test_roles_out_of_the_bundle_go_for_olm_leaves_them() -> None:
    csv = {"olm.managed": "true", "olm.owner": "nfd.v4.17.0"}
    roles = [
        Named(Meta(name="nfd-master", labels=csv)),
        Named(Meta(name="nfd.v4.17.0-a8h5", labels={**csv, "olm.owner.kind": "X"})),
        Named(Meta(name="other", labels={"olm.owner": "nfdx.v1"})),
        Named(Meta(name="admin")),
    ]
    seen = left(clusterroles=roles, clusterrolebindings=roles)
    found = leftovers.bundle_roles(seen, Record(), "nfd")
    assert [(f.ref.resource.kind, f.ref.name) for f in found] == [
        ("ClusterRoleBinding", "nfd-master"),
        ("ClusterRole", "nfd-master"),
    ]
    assert leftovers.bundle_roles(seen, records.take(seen), "nfd") == ()


@pytest.mark.parametrize("record", [Record(operators=(NAME,)), Record(crds=(TOPOLOGY,))])
def test_operator_stays_that_was_there_or_has_a_part_that_was(record: Record) -> None:
    assert leftovers.operator(left(TOPOLOGY), record, NAME) == ((), REACHED)


def test_group_roles_are_told_by_their_labels_whatever_olm_calls_them() -> None:
    def role(name: str, namespace: str) -> Named:
        labels = {"olm.owner.kind": "OperatorGroup", "olm.owner.namespace": namespace}
        return Named(Meta(name=name, labels=labels))

    roles = (
        role("olm.og.own.admin-5d41", "openshift-nfd"),
        role("own-edit", "openshift-nfd"),
        role("own-view", "openshift-nfd"),
        role("other-view", "other"),
        Named(Meta(name="openshift-nfd-view")),
    )
    before = Record(cluster_roles=("own-view",))
    found = leftovers.group_roles(left(clusterroles=roles), before, "openshift-nfd")
    assert names(found) == ["olm.og.own.admin-5d41", "own-edit"]


@pytest.mark.parametrize(("alive", "patched"), [("sub-2", 1), ("sub-9", 0)])
def test_operator_is_taken_off_an_install_plan_that_another_subscription_keeps(
    alive: str, patched: int
) -> None:
    label = f"operators.coreos.com/{NAME}"
    owners = [{"uid": "sub-1"}, {"uid": "sub-2"}]
    meta = {"name": "install-x", "namespace": "ns", "labels": {label: "", "other": ""}}
    plan = {"metadata": {**meta, "ownerReferences": owners}}
    known = left(installplans=(plan,), subscriptions=({"metadata": {"uid": alive}},))
    found = leftovers.shared_plans(known, NAME)
    assert [p.patch for p in found] == [{"metadata": {"labels": {label: None}}}] * patched


@pytest.mark.parametrize(
    ("labels", "notes", "what"),
    [(1, 1, "1 label and 1 annotation"), (2, 0, "2 labels"), (0, 3, "3 annotations")],
)
def test_what_is_taken_off_a_node_is_counted(labels: int, notes: int, what: str) -> None:
    meta = Meta(
        name="n",
        labels={f"nvidia.com/l{number}": "" for number in range(labels)},
        annotations={f"nvidia.com/a{number}": "" for number in range(notes)},
    )
    (patch,) = leftovers.node_keys(snapshot(nodes=[Node(meta)]), Record(), ("nvidia.com/",))
    assert patch.why == f"take {what} of the operators off the node"
