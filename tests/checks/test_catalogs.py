"""Catalogs and plans of OLM of which only the Subscription tells, and such that are well."""

from oc_gpu.checks.model import Finding
from tests.checks.patient import SPACE, Patient


def _one(made: Patient, cause: str) -> Finding | None:
    return next((one for one in made.diagnosis() if one.cause == cause), None)


def _subscribed(source: str = "certified-operators", **more: object) -> Patient:
    made = Patient().drop("clusterpolicies").add("operatorgroups", "og", SPACE, spec={})
    spec = {"name": "gpu-operator-certified", "source": source}
    spec |= {"sourceNamespace": "openshift-marketplace"}
    body = {"spec": spec, "status": {}, **more}
    for name in ("certified-operators", "redhat-operators", "mirror"):
        made.add("catalogsources", name, "openshift-marketplace", spec={})
    return made.add("subscriptions", "gpu-operator-certified", SPACE, **body)


def test_a_package_that_another_catalog_of_openshift_has() -> None:
    assert _one(_subscribed("redhat-operators"), "olm-package-not-in-catalog") is not None
    for source in ("certified-operators", "mirror"):
        assert _one(_subscribed(source), "olm-package-not-in-catalog") is None


def test_a_package_that_a_catalog_has_as_it_was_resolved() -> None:
    made = _subscribed("redhat-operators", status={"currentCSV": "gpu-operator-certified.v24.9.2"})
    assert _one(made, "olm-package-not-in-catalog") is None


def _plan(reason: str) -> Patient:
    waits = {"type": "InstallPlanPending", "status": "True", "reason": reason}
    ref = {"installPlanRef": {"name": "install-abcde"}}
    return _subscribed(status={"conditions": [waits], **ref})


def test_a_plan_that_waits_as_its_subscription_says() -> None:
    found = _one(_plan("RequiresApproval"), "olm-installplan-awaiting-approval")
    assert found is not None
    assert any("install-abcde" in one for one in found.remedy)
    assert _one(_plan("Installing"), "olm-installplan-awaiting-approval") is None


def _no_catalogs(*labels: dict[str, str]) -> Patient:
    made = _subscribed().drop("catalogsources")
    for number, one in enumerate(labels):
        made.pod(f"pod-{number}", "openshift-marketplace", {"containers": [{"name": "x"}]})
        made.tables["pods"][-1]["metadata"]["labels"] = one
    return made


def test_a_marketplace_without_any_catalog() -> None:
    cause = "olm-catalogsource-missing"
    assert _one(_no_catalogs({"name": "marketplace-operator"}), cause) is not None
    assert _one(_no_catalogs({"olm.catalogSource": "certified-operators"}), cause) is None
    assert _one(_no_catalogs(), cause) is None


def test_a_cluster_that_says_that_it_has_no_catalog() -> None:
    said = {"type": "CatalogSourcesUnhealthy", "status": "True", "reason": "NoCatalogSourcesFound"}
    made = _no_catalogs()
    message = "dependency resolution requires at least one catalogsource"
    made.tables["subscriptions"][-1]["status"] = {"conditions": [{**said, "message": message}]}
    assert made.diagnosis()[0].cause == "olm-catalogsource-missing"
    assert _one(made, "olm-catalogsource-unhealthy") is None
