"""The audit sees what is written twice; a repeated apply that changes nothing is no write."""

import json

from tests.chaos.audit import Audit

PATH = "/api/v1/namespaces/a/configmaps/x?fieldManager=oc-gpu"
BODY = b'{"metadata": {"name": "x", "resourceVersion": "7"}, "data": {"y": "1"}}'


def answer(time: str, uid: str = "u") -> bytes:
    entry = {"manager": "oc-gpu", "operation": "Apply", "time": time}
    return json.dumps({"metadata": {"uid": uid, "managedFields": [entry]}}).encode()


def test_an_apply_that_changed_nothing_is_no_write() -> None:
    audit = Audit()
    audit.note("PATCH", PATH, BODY, answer("10:00"))
    audit.note("PATCH", PATH, BODY, answer("10:00"))
    assert len(audit.took) == 1
    assert audit.twice() == []


def test_a_write_that_was_done_again_shows() -> None:
    audit = Audit()
    audit.note("PATCH", PATH, BODY, answer("10:00"))
    audit.note("PATCH", PATH, BODY.replace(b"7", b"9"), answer("10:01"))
    assert audit.twice() == ["PATCH /api/v1/namespaces/a/configmaps/x (2)"]


def test_what_somebody_took_away_is_made_again_and_not_twice() -> None:
    audit = Audit()
    audit.note("PATCH", PATH, BODY, answer("10:00"))
    audit.note("PATCH", PATH, BODY, answer("10:01", uid="v"))
    assert len(audit.took) == 2
    assert audit.twice() == []


def test_reads_dry_runs_and_leases_are_no_writes() -> None:
    audit = Audit()
    audit.note("GET", PATH, b"", answer("1"))
    audit.note("PATCH", f"{PATH}&dryRun=All", BODY, answer("1"))
    audit.note("PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/x", BODY, answer("1"))
    assert audit.took == []
