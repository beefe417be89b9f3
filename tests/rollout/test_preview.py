"""What a plan says its writes would do: asked of the server, nothing written, no key shown."""

from typing import Any

import pytest
from msgspec import structs

from oc_gpu.kube import Client, RawObject
from oc_gpu.kube.resources import CONFIGMAPS, MACHINE_CONFIGS, NAMESPACES, PODS, SECRETS
from oc_gpu.manifests.labels import labels
from oc_gpu.rollout.differences import NOT_SHOWN, Difference, differences
from oc_gpu.rollout.preview import Change, preview
from oc_gpu.rollout.survey import survey
from oc_gpu.sim.scenario import DenyRule
from oc_gpu.stages.model import Apply, Delete, ObjectRef, Patch
from tests.rollout.clusters import TAINT, Wire, on_cluster, wish


def secret(**data: str) -> Apply:
    meta = {"name": "s", "namespace": "default", "labels": labels("entitlement")}
    manifest: RawObject = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": meta,
        "data": data,
    }
    return Apply(ObjectRef(SECRETS, "s", "default"), manifest)


def effects(changes: tuple[Change, ...]) -> list[str]:
    return [change.effect for change in changes]


def test_the_plan_of_a_bare_cluster_is_created_without_a_write() -> None:
    async def act(client: Client, wire: Wire) -> None:
        found = await survey(client, wish(TAINT))
        changes = await preview(client, found.actions)
        assert len(changes) > 5
        assert set(effects(changes)) == {"created"}
        assert wire.writes == []

    on_cluster(act)


def test_changed_fields_are_named_and_their_values_are_not() -> None:
    async def act(client: Client, wire: Wire) -> None:
        await client.apply(SECRETS, secret(key="b2xk", other="eA==").manifest)
        wire.writes.clear()
        same, changed = await preview(
            client, (secret(key="b2xk", other="eA=="), secret(key="bmV3", other="eA=="))
        )
        assert same.effect == "unchanged"
        assert changed.effect == "changed"
        assert changed.diff == (Difference("data.key", NOT_SHOWN, NOT_SHOWN),)
        assert wire.writes == []

    on_cluster(act)


def test_a_namespace_that_is_there_is_used_as_it_is() -> None:
    async def act(client: Client, _: Wire) -> None:
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}
        action = Apply(ObjectRef(NAMESPACES, "default"), manifest, adopt=True)
        assert effects(await preview(client, (action,))) == ["unchanged"]

    on_cluster(act)


def test_what_is_there_would_be_deleted_and_what_is_not_stays_so() -> None:
    async def act(client: Client, _: Wire) -> None:
        gone = ObjectRef(CONFIGMAPS, "not-there", "default")
        there = ObjectRef(NAMESPACES, "default")
        assert effects(await preview(client, (Delete(there), Delete(gone)))) == [
            "deleted",
            "unchanged",
        ]

    on_cluster(act)


def test_what_the_server_would_refuse_says_why() -> None:
    async def act(client: Client, _: Wire) -> None:
        await client.apply(SECRETS, secret(key="b2xk").manifest, field_manager="argocd")
        bad = Apply(ObjectRef(PODS, "s", "default"), {**secret().manifest, "kind": "Pod"})
        owned, wrong = await preview(client, (secret(key="bmV3"), bad))
        assert owned.effect == wrong.effect == "refused"
        assert "argocd" in owned.note
        assert ".data: field not declared" in wrong.note

    on_cluster(act)


def test_who_may_not_write_gets_a_comparison_instead() -> None:
    rules = (DenyRule(verbs=("patch", "create"), resources=("secrets",)),)

    async def act(client: Client, _: Wire) -> None:
        assert effects(await preview(client, (secret(key="eA=="),))) == ["created"]

    on_cluster(act, denied=rules)


def test_a_patch_is_previewed_like_an_apply() -> None:
    async def act(client: Client, wire: Wire) -> None:
        ref = ObjectRef(NAMESPACES, "default")
        patch: dict[str, Any] = {"metadata": {"labels": {"x": "1"}}}
        (change,) = await preview(client, (Patch(ref, patch, holds=False, why="test"),))
        assert (change.effect, change.diff) == (
            "changed",
            (Difference("metadata.labels.x", None, "1"),),
        )
        assert wire.writes == []

    on_cluster(act)


def test_what_the_server_owns_is_no_difference() -> None:
    before = {"metadata": {"name": "a", "resourceVersion": "1"}, "status": {"x": 1}}
    after = {"metadata": {"name": "a", "resourceVersion": "2"}, "status": {"x": 2}, "spec": {}}
    assert list(differences(CONFIGMAPS, before, after)) == [Difference("spec", None, "{}")]


def test_what_differs_is_shown_down_to_the_value() -> None:
    before = {"spec": {"driver": {"version": "550"}, "taints": [{"key": "a"}], "old": {"x": 1}}}
    after = {"spec": {"driver": {"version": "570"}, "taints": [{"key": "b"}, {"key": "c"}]}}
    told = [(d.path, d.before, d.after) for d in differences(NAMESPACES, before, after)]
    assert told == [
        ("spec.driver.version", "550", "570"),
        ("spec.old.x", "1", None),
        ("spec.taints[0].key", "a", "b"),
        ("spec.taints[1].key", None, "c"),
    ]


def test_keys_are_shown_in_no_difference() -> None:
    files = {"files": [{"contents": {"source": "data:,password"}}]}
    config = {"spec": {"config": {"storage": files}, "kernelType": "default"}}
    told = str(list(differences(MACHINE_CONFIGS, None, config)))
    assert "password" not in told
    assert "default" in told
    proxy = {"spec": {"httpProxy": "http://me:hush@proxy:3128", "pem": "-----BEGIN X-----\nhush"}}
    told = str(list(differences(NAMESPACES, {"spec": {"httpProxy": "sha256~hush"}}, proxy)))
    assert "hush" not in told
    assert "proxy:3128" in told


@pytest.mark.parametrize("forced", [False, True])
def test_fields_of_others_are_taken_only_where_that_was_said(forced: bool) -> None:  # noqa: FBT001
    async def act(client: Client, wire: Wire) -> None:
        await client.apply(SECRETS, secret(key="b2xk").manifest, field_manager="argocd")
        wire.writes.clear()
        action = structs.replace(secret(key="bmV3"), forces=forced)
        (change,) = await preview(client, (action,))
        assert change.effect == ("changed" if forced else "refused")
        assert "fields of another owner" in change.note
        assert "argocd" in change.note
        assert wire.writes == []

    on_cluster(act)
