"""Whose an object is, by the marks that tools leave, and who else changed what is ours."""

from typing import Any

import pytest

from oc_gpu import facts
from oc_gpu.stages.ownership import changed_by, is_ours, owner_of

OURS = {"app.kubernetes.io/managed-by": "oc-gpu"}


def marked(**meta: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x", **meta}}


def managed(*managers: str) -> dict[str, Any]:
    return marked(managedFields=[{"manager": manager} for manager in managers])


@pytest.mark.parametrize(
    ("obj", "owner"),
    [
        (
            marked(annotations={"argocd.argoproj.io/tracking-id": "gpus:v1/Secret:default/x"}),
            "Argo CD gpus",
        ),
        (marked(labels={"argocd.argoproj.io/instance": "gpus"}), "Argo CD gpus"),
        (
            marked(
                labels={"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "y"},
                annotations={"meta.helm.sh/release-name": "gpu-operator"},
            ),
            "Helm gpu-operator",
        ),
        (marked(labels={"kustomize.toolkit.fluxcd.io/name": "gpus"}), "Flux gpus"),
        (managed("config-policy-controller"), "the ACM policy"),
        (
            marked(ownerReferences=[{"kind": "AppliedManifestWork", "name": "hub-gpus"}]),
            "the ACM ManifestWork hub-gpus",
        ),
        (marked(labels={"app.kubernetes.io/instance": "gpus"}), "the release gpus"),
        (marked(labels={"app.kubernetes.io/managed-by": "ansible"}), "ansible"),
        (managed("kubectl-create"), "field manager kubectl-create"),
        (marked(), "somebody else"),
    ],
)
def test_owner_is_named_by_the_marks_of_its_tool(obj: dict[str, Any], owner: str) -> None:
    assert owner_of(obj) == owner
    assert not is_ours(obj)


def test_every_mark_has_a_source_and_leads_to_its_owner() -> None:
    for owner in facts.owners().owners:
        assert owner.source
        assert owner.date
        for label in owner.labels:
            assert owner_of(marked(labels={label: "z"})) == f"{owner.name} z"
        for note in owner.annotations:
            assert owner_of(marked(annotations={note: "z"})) == f"{owner.name} z"
        for manager in owner.managers:
            assert owner_of(managed(manager)) == owner.name


def entry(manager: str, fields: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "fieldsV1": fields, **more}


def test_who_else_changed_an_object_of_ours_is_told_with_the_fields() -> None:
    spec: dict[str, Any] = {
        "f:spec": {".": {}, "f:driver": {"f:version": {}}, "f:mig": {"f:strategy": {}}}
    }
    ours = marked(
        labels=OURS,
        managedFields=[
            entry("oc-gpu", spec),
            entry("gpu-operator", {"f:status": {}}, subresource="status"),
            entry("nfd-operator", spec),
            entry("kubectl-edit", {"f:metadata": {"f:labels": {}}, **spec}),
            entry("Mozilla", {"f:metadata": {"f:labels": {}}}),
        ],
    )
    assert changed_by(ours) == {"kubectl-edit": ("spec.driver.version", "spec.mig.strategy")}


def test_keys_of_a_secret_are_paths_too() -> None:
    ours = marked(managedFields=[entry("kubectl-patch", {"f:data": {"f:tls.key": {}}})])
    assert changed_by(ours) == {"kubectl-patch": ("data.tls.key",)}
