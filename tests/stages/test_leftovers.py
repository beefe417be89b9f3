"""What OLM leaves of an operator, and when it may go."""

from typing import Any

import pytest
from msgspec import convert

from oc_gpu.snapshot.kinds import Meta, Named, Operator
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
