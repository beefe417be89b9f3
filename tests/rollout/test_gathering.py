"""A bundle of a live cluster: the doctor says of it what it says of the cluster."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from msgspec import structs

from oc_gpu.checks.case import Case
from oc_gpu.checks.doctor import diagnose
from oc_gpu.kube import Client
from oc_gpu.kube.resources import CONFIGMAPS, MACHINE_CONFIGS, NAMESPACES, PODS, PROXIES, SECRETS
from oc_gpu.manifests.entitlement import machine_configs
from oc_gpu.report import bundles
from oc_gpu.report.doctor import document
from oc_gpu.rollout.commands import enable
from oc_gpu.rollout.examining import examine
from oc_gpu.rollout.gathering import gather
from oc_gpu.sim.scenario import DenyRule, Scenario, from_document, load, to_document
from oc_gpu.snapshot.bundle import open_bundle
from oc_gpu.snapshot.bundle.writing import Contents, files
from oc_gpu.snapshot.kinds import Pod
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.texts import TextRef
from tests import portal
from tests.rollout.clusters import QUIET, on_cluster, wanted

SCENARIO = "ocp-4.20"
Told = list[tuple[str, str, str | None, str, tuple[str, ...], str | None]]


def _told(snapshot: Snapshot) -> Told:
    """Return what the doctor says, but for where it was read."""
    return [
        (one.code, one.severity, one.cause, one.title, tuple(sorted(one.objects)), one.explained_by)
        for one in diagnose(Case(snapshot))
    ]


def _written(contents: Contents, place: Path) -> Told:
    bundles.write(place, files(contents))
    with open_bundle(place) as bundle:
        assert bundle.notes == ()
        found = _told(bundle.snapshot)
        assert document(bundle.snapshot, ()).unread == document(contents.snapshot, ()).unread
    return found


def _changed(**node: Any) -> Scenario:
    """Return the scenario with facts of its GPU nodes changed."""
    made = to_document(load(SCENARIO))
    made["nodes"] = [n | (node if n["name"].startswith("gpu") else {}) for n in made["nodes"]]
    return from_document(made)


def _cut_off() -> Scenario:
    facts = load(SCENARIO)
    network = msgspec.structs.replace(facts.network, unreachable_registries=("nvcr.io",))
    return msgspec.structs.replace(facts, network=network)


async def _until_a_pod(client: Client, holds: Callable[[Pod], bool]) -> None:
    async for event in client.watch(PODS, "nvidia-gpu-operator", type=Pod):
        match event:
            case _ if hasattr(event, "object") and holds(event.object):
                return
            case _ if hasattr(event, "items") and any(map(holds, event.items)):
                return


def _fails(pod: Pod) -> bool:
    statuses = (*pod.status.container_statuses, *pod.status.init_container_statuses)
    return any(
        one.restart_count > 1 or (one.state.waiting and "Pull" in one.state.waiting.reason)
        for one in statuses
    )


async def _fall_ill(client: Client) -> None:
    """Walk the road until a pod of it fails."""
    walk = asyncio.create_task(enable(client, wanted(SCENARIO), QUIET))
    try:
        await _until_a_pod(client, _fails)
    finally:
        walk.cancel()
        await asyncio.gather(walk, return_exceptions=True)


async def _recover(client: Client) -> None:
    await enable(client, wanted(SCENARIO), QUIET)


async def _nothing(_: Client) -> None:
    """Leave the cluster bare."""


ILL = [
    pytest.param(load(SCENARIO), _nothing, None, id="bare"),
    pytest.param(load(SCENARIO), _recover, None, id="healthy", marks=pytest.mark.slow),
    pytest.param(_changed(secureBoot=True), _fall_ill, "secure-boot-enabled", id="secure-boot"),
    pytest.param(_cut_off(), _fall_ill, "registry-unreachable", id="registry"),
]


@pytest.mark.parametrize(("scenario", "act", "cause"), ILL)
def test_doctor_says_the_same_live_and_of_a_bundle(
    scenario: Scenario,
    act: Callable[[Client], Awaitable[None]],
    cause: str | None,
    tmp_path: Path,
) -> None:
    async def both(client: Client, _: Any) -> tuple[Told, Contents]:
        await act(client)
        return _told(await examine(client)), await gather(client)

    live, contents = on_cluster(both, scenario)
    assert [one[2] for one in live[:1]] == ([cause] if cause else [])
    assert _written(contents, tmp_path / "tree") == live
    assert _written(contents, tmp_path / "packed.tar.gz") == live


class TestPartialRights:
    def test_what_may_not_be_read_is_recorded_and_stays_unknown(self, tmp_path: Path) -> None:
        rules = (DenyRule(resources=("nodes", "machineconfigs")), DenyRule(resources=("pods/log",)))

        async def act(client: Client, _: Any) -> Contents:
            return await gather(client)

        contents = on_cluster(act, denied=rules)
        bundles.write(tmp_path / "tree", files(contents))
        with open_bundle(tmp_path / "tree") as bundle:
            found = bundle.snapshot
            assert not found.known("nodes")
            assert found.unread["nodes"].reason == "forbidden"
            assert found.known("clusterpolicies")
            assert found.known("jobs")
            assert found.table("jobs") == ()
            assert document(found, ()).verdict == "unknown"

    def test_namespaces_that_may_be_read_are_read_where_all_may_not(self, tmp_path: Path) -> None:
        """An administrator of one project sees its pods, and no list of all."""
        scenario = load(SCENARIO)
        space = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "nvidia-gpu-operator"},
        }
        made = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "nvidia-driver-x", "namespace": "nvidia-gpu-operator"},
            "spec": {
                "containers": [{"name": "nvidia-driver-ctr", "image": "nvcr.io/nvidia/driver:1"}]
            },
        }
        scenario = msgspec.structs.replace(
            scenario, preexisting=(*scenario.preexisting, space, made)
        )
        rules = (DenyRule(resources=("pods",), namespaces=("",)),)

        async def act(client: Client, _: Any) -> Contents:
            return await gather(client)

        contents = on_cluster(act, scenario, denied=rules)
        bundles.write(tmp_path / "tree", files(contents))
        with open_bundle(tmp_path / "tree") as bundle:
            assert [p.metadata.name for p in bundle.snapshot.pods] == ["nvidia-driver-x"]
            assert not bundle.snapshot.known("pods")


PLANTED = "Zq7-planted-Secret9"
NUMBERS = ("proxy", "environment", "argument", "annotation", "map", "pull", "log", "kubeconfig")


def _secret(where: str) -> str:
    return f"{PLANTED}-{where}"


async def _plant(client: Client) -> None:
    """Put secrets wherever they are found in life."""
    space = "nvidia-gpu-operator"
    await client.create(NAMESPACES, {"metadata": {"name": space}})
    pull = {"auths": {"nvcr.io": {"auth": _b64(f"$oauthtoken:{_secret('pull')}")}}}
    data = {".dockerconfigjson": _b64(json.dumps(pull))}
    named = {"metadata": {"name": "ngc", "namespace": space}}
    await client.create(SECRETS, {**named, "data": data})
    user = {"name": "admin", "user": {"token": _secret("kubeconfig")}}
    text = {
        "config.yaml": f"password: {_secret('map')}\n",
        "access": yaml.safe_dump({"kind": "Config", "users": [user]}),
        "pull": json.dumps(pull),
        "key": portal.lasting().decode(),
    }
    await client.create(CONFIGMAPS, {**named, "data": text})
    last = "kubectl.kubernetes.io/last-applied-configuration"
    meta = {
        "name": "nvidia-driver-daemonset-abc",
        "namespace": space,
        "annotations": {last: json.dumps({"env": _secret("annotation")})},
    }
    container = {
        "name": "nvidia-driver-ctr",
        "image": "nvcr.io/nvidia/driver:1",
        "env": [{"name": "NGC_API_KEY", "value": _secret("environment")}],
        "args": ["--licence-password", _secret("argument")],
    }
    await client.create(PODS, {"metadata": meta, "spec": {"containers": [container]}})
    for config in machine_configs(portal.lasting(), "worker", "3.2.0"):
        await client.create(MACHINE_CONFIGS, config)
    url = f"http://user:{_secret('proxy')}@proxy.example.com:3128"
    await client.patch(PROXIES, "cluster", {"spec": {"httpsProxy": url}})


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _traces() -> list[str]:
    """Return what must be nowhere: the secrets and lines of the key, plain and in base64."""
    pem = portal.lasting().decode()
    lines = [line for line in pem[pem.index("BEGIN RSA") :].splitlines() if len(line) == 64]
    plain = [PLANTED, *lines]
    shifted = [_b64(" " * pad + one)[8:-8] for one in plain for pad in range(3)]
    return [*plain, *shifted]


def test_no_planted_secret_is_in_a_bundle(tmp_path: Path) -> None:
    async def act(client: Client, _: Any) -> Contents:
        await _plant(client)
        return await gather(client)

    contents = on_cluster(act)
    ref = TextRef(
        kind="log",
        where="",
        namespace="nvidia-gpu-operator",
        pod="nvidia-driver-daemonset-abc",
        container="nvidia-driver-ctr",
    )
    told = (
        f"using {_secret('environment')}\nproxy http://u:{_secret('log')}@p\n"
        f"Authorization: Bearer {_secret('log')}\n{portal.lasting().decode()}"
        f"token: {_secret('kubeconfig')}\nlast line\n"
    )
    whole = structs.replace(contents, logs={ref: told})
    assert any("key" in str(one.raw) for one in files(whole))
    place = tmp_path / "bundle"
    bundles.write(place, files(whole))
    found = {path: path.read_text() for path in place.rglob("*") if path.is_file()}
    leaks = [(path, one) for path, text in found.items() for one in _traces() if one in text]
    assert leaks == []
    log = next(text for path, text in found.items() if path.name == "current.log")
    assert "last line" in log
    names = "\n".join(map(str, found))
    assert "secrets" not in names
    assert "nvidia-driver-daemonset-abc" in names


def test_planted_secrets_were_really_there() -> None:
    """The search would find them: without redaction they are in the bundle."""

    async def act(client: Client, _: Any) -> Contents:
        await _plant(client)
        return await gather(client)

    raw = json.dumps([list(items) for items in on_cluster(act).tables.values()], default=str)
    missing = {"pull", "log"}
    assert {one for one in NUMBERS if _secret(one) not in raw} == missing
    assert _b64(f"$oauthtoken:{_secret('pull')}")[:40] in raw
