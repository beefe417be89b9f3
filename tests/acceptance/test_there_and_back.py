"""Enable, enable again, disable: nothing twice, nothing left, nothing of others touched."""

import json
from base64 import urlsafe_b64encode
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from oc_gpu.kube import Client
from oc_gpu.kube.resources import CRDS, NAMESPACES, NODES
from tests.acceptance.conftest import Cluster, cluster, difference

pytestmark = pytest.mark.slow
SCENARIOS = ("seed", "ocp-4.20")
WORKER = "node-role.kubernetes.io/worker"
FEATURE = "feature.node.kubernetes.io/"


def _enable(on: Cluster, scenario: str, portal: Path, *more: str) -> None:
    given = ("--entitlement", str(portal)) if scenario == "seed" else ()
    on.oc_gpu("enable", "--yes", *given, *more).ok()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_road_is_walked_once_and_taken_back_completely(
    scenario: str, tmp_path: Path, portal: Path
) -> None:
    with cluster(scenario, tmp_path) as on:
        before = on.objects()
        _enable(on, scenario, portal, "--taint", "nodetype=gpu:NoSchedule")
        on.oc_gpu("verify").ok()
        written = on.simulation()["writes"]["external"]
        _enable(on, scenario, portal, "--taint", "nodetype=gpu:NoSchedule")
        again = on.simulation()["writes"]
        assert again["external"] == written, again["log"][-10:]
        on.oc_gpu("disable", "--yes").ok()
        assert difference(before, on.objects()) == ""


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_road_is_taken_back_completely_without_its_record(
    scenario: str, tmp_path: Path, portal: Path
) -> None:
    with cluster(scenario, tmp_path) as on:
        before = on.objects()
        _enable(on, scenario, portal, "--taint", "nodetype=gpu:NoSchedule")
        on.ask(lambda client: client.delete(NAMESPACES, "oc-gpu"))
        run = on.oc_gpu("disable", "--yes").ok()
        assert "the record of what was here before is lost" in run.err
        assert difference(before, on.objects()) == ""


VIRTUAL = """
spec:
  gpuOperator:
    driver:
      repository: registry.example.com/nvidia
      image: vgpu-guest-driver
      version: 550.90.07
      pullSecrets: [registry-login]
    vgpu: {token: client.tok}
"""


@pytest.mark.long
def test_virtual_gpu_gets_its_driver_and_licence_and_the_token_is_shown_nowhere(
    tmp_path: Path,
) -> None:
    file, secret = tmp_path / "gpu.yaml", "SIGNATURE-OF-THE-TOKEN"
    parts = ({"alg": "RS256"}, {"exp": 9_999_999_999})
    encoded = (urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts)
    (tmp_path / "client.tok").write_text(".".join((*encoded, secret)))
    file.write_text(VIRTUAL)
    with cluster("vgpu-4.16", tmp_path) as on:
        before = on.objects()
        shown = []
        for command in ("check", "plan", "render", "enable --yes", "status", "verify"):
            run = on.oc_gpu(*command.split(), "--config", str(file)).ok()
            shown.append(run.out + run.err)
        assert "NVIDIA A10-24Q of gpu-a10-0 has a licence" in shown[-1]
        bundle = tmp_path / "bundle"
        shown.append(on.oc_gpu("gather", str(bundle)).ok().out)
        shown += [p.read_text(errors="replace") for p in bundle.rglob("*") if p.is_file()]
        assert secret in json.dumps(on.objects())
        assert not any(secret in text for text in shown)
        on.oc_gpu("disable", "--yes").ok()
        assert difference(before, on.objects()) == ""


BALANCED = "spec: {gpuOperator: {mig: {strategy: mixed, layout: all-balanced}}}"
SMALL = "spec: {gpuOperator: {mig: {strategy: single, nodes: {gpu-a100-0: all-1g.5gb}}}}"


@pytest.mark.long
def test_divided_cards_are_proven_part_by_part_and_put_together_again(tmp_path: Path) -> None:
    file = tmp_path / "gpu.yaml"
    file.write_text(BALANCED)
    with cluster("mig-4.20", tmp_path, "--run-pods") as on:
        before = on.objects()
        plan = on.oc_gpu("plan", "--config", str(file)).ok()
        assert "all-balanced on nodes whose cards can be divided" in plan.out
        on.oc_gpu("enable", "--yes", "--config", str(file)).ok()
        told = on.oc_gpu("verify", "--config", str(file)).ok().out
        for size in ("1g.5gb", "2g.10gb", "3g.20gb"):
            assert f"(nvidia.com/mig-{size}) of gpu-a100-0 and passed" in told
        assert "of gpu-t4-0 and passed" in told
        ran = on.oc_gpu("run", "me/it", "--gpus", "mig-2g.10gb", "--", "echo", "hello").ok()
        assert "hello" in ran.out
        written = on.simulation()["writes"]["external"]
        on.oc_gpu("enable", "--yes", "--config", str(file)).ok()
        assert on.simulation()["writes"]["external"] == written
        file.write_text(SMALL)
        on.oc_gpu("enable", "--yes", "--config", str(file)).ok()
        told = on.oc_gpu("verify", "--config", str(file)).ok().out
        assert "gpu-a100-0 has 14 GPUs allocatable" in told
        assert "a CUDA sample ran on MIG-" in told
        on.oc_gpu("disable", "--yes").ok()
        assert difference(before, on.objects()) == ""


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nfd_of_somebody_else_stays_as_it_was(scenario: str, tmp_path: Path, portal: Path) -> None:
    with cluster(scenario, tmp_path) as on:
        others = tmp_path / "others"
        others.mkdir()
        _install_nfd(on, others)
        before = on.objects()
        assert any("nodefeaturediscoveries" in path for path in before)
        _enable(on, scenario, portal)
        on.oc_gpu("verify").ok()
        on.oc_gpu("disable", "--yes").ok()
        assert difference(before, on.objects()) == ""


def _install_nfd(on: Cluster, folder: Path) -> None:
    """Install NFD as another admin would: with rendered files and another field manager."""
    on.oc_gpu("render", "--stage", "nfd", "--output-dir", str(folder)).ok()
    for path in sorted(folder.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            labels = document["metadata"].get("labels", {})
            for key in [k for k in labels if k.startswith(("app.kubernetes.io/", "oc-gpu"))]:
                del labels[key]
            on.ask(partial(_apply, document=document))
    on.ask(_until_labelled)


async def _apply(client: Client, document: dict[str, Any]) -> None:
    group, _, version = document["apiVersion"].rpartition("/")
    async for resource in _served(client, group, version, document["kind"]):
        await client.apply(resource, document, field_manager="other-admin")
        return


async def _served(client: Client, group: str, version: str, kind: str) -> Any:
    """Yield the resource as soon as its API is served; a CRD needs its operator first."""
    async for _ in client.watch(CRDS):
        found = (await client.discover()).find(group, kind)
        if found is not None and found.version == version:
            yield found


async def _until_labelled(client: Client) -> None:
    """Wait until NFD has labelled every worker."""
    async for _ in client.watch(NODES):
        nodes = (await client.list(NODES)).items
        workers = [n["metadata"]["labels"] for n in nodes if WORKER in n["metadata"]["labels"]]
        if all(any(key.startswith(FEATURE) for key in labels) for labels in workers):
            return


@pytest.mark.long
@pytest.mark.parametrize(
    ("scenario", "node", "key"),
    [("seed", "worker03", "nvidia.com/gpu"), ("ocp-4.20", "gpu-a100-0", "nodetype")],
)
def test_taint_of_somebody_else_stays(
    scenario: str, node: str, key: str, tmp_path: Path, portal: Path
) -> None:
    with cluster(scenario, tmp_path) as on:
        _taint(on, node, key)
        before = on.objects()
        _enable(on, scenario, portal, "--taint", f"{key}=gpu:NoSchedule")
        on.oc_gpu("verify").ok()
        on.oc_gpu("disable", "--yes").ok()
        assert difference(before, on.objects()) == ""


def _taint(on: Cluster, node: str, key: str) -> None:
    taint = {"key": key, "value": "gpu", "effect": "NoSchedule"}
    on.ask(lambda client: client.patch(NODES, node, {"spec": {"taints": [taint]}}))


def test_taint_that_old_validation_pods_do_not_tolerate_is_named(
    seed: Cluster, portal: Path
) -> None:
    _taint(seed, "worker03", "nodetype")
    run = seed.oc_gpu("enable", "--yes", "--entitlement", str(portal)).ok(1)
    assert "do not tolerate nodetype=gpu:NoSchedule of worker03" in run.out + run.err
    assert "oc adm taint node worker03 nodetype-" in run.out + run.err


@pytest.mark.long
def test_isolate_later_and_back_changes_only_the_isolation(tmp_path: Path) -> None:
    with cluster("ocp-4.20", tmp_path) as on:
        on.oc_gpu("enable", "--yes").ok()
        before = on.objects()
        on.oc_gpu("isolate", "--taint", "nodetype=gpu:NoSchedule", "--yes").ok()
        on.oc_gpu("verify").ok()
        nodes = {p: o for p, o in on.objects().items() if p.startswith("/api/v1/nodes/")}
        assert sum("nodetype" in json.dumps(o["spec"].get("taints", [])) for o in nodes.values())
        on.oc_gpu("isolate", "--remove", "--yes").ok()
        assert difference(_lasting(before), _lasting(on.objects())) == ""


def _lasting(objects: dict[str, Any]) -> dict[str, Any]:
    """Return what restarted operands do not renew: revisions, and labels that tell of a run."""
    renewed = ("/controllerrevisions/", "/nodefeatures/")
    lasting = {p: o for p, o in objects.items() if not any(part in p for part in renewed)}
    for obj in lasting.values():
        for label in ("nvidia.com/gfd.timestamp", "nvidia.com/mig.config.state"):
            obj.get("metadata", {}).get("labels", {}).pop(label, None)
    return lasting


def test_cluster_without_a_gpu_is_told_so_and_left_alone(no_gpu: Cluster) -> None:
    for command in (["check"], ["plan"], ["enable", "--yes"]):
        run = no_gpu.oc_gpu(*command).ok(1)
        assert "no worker has an NVIDIA GPU" in run.out + run.err
    lines = [line for line in no_gpu.oc_gpu("plan").ok(1).out.splitlines() if line]
    assert lines[1].startswith("error")
    assert "no worker has an NVIDIA GPU" in lines[1]
    told = json.loads(no_gpu.oc_gpu("plan", "-o", "json").ok(1).out)
    assert told["clean"] is False
    assert [finding["cause"] for finding in told["findings"]] == ["no-gpu-node"]
    assert no_gpu.simulation()["writes"]["external"] == 0


def test_taking_back_a_taint_that_was_never_set_writes_nothing(no_gpu: Cluster) -> None:
    run = no_gpu.oc_gpu("isolate", "--remove", "--yes").ok(2)
    assert "no taint was set here" in run.err
    assert no_gpu.simulation()["writes"]["external"] == 0


def test_enable_that_nobody_agreed_to_writes_nothing(ocp: Cluster) -> None:
    run = ocp.oc_gpu("enable").ok(2)
    assert "--yes" in run.err
    assert ocp.simulation()["writes"]["external"] == 0
