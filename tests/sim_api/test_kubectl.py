"""kubectl, unchanged, uses the simulated API as it would a real one."""

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from oc_gpu.sim.api.http import serve

from .conftest import Api, config_map, pod, run
from .test_custom_resources import CRDS, definition, widget
from .test_pods_and_rights import POD_LIST, Kubelet

pytestmark = [
    pytest.mark.kubectl,
    pytest.mark.skipif(
        shutil.which("kubectl") is None, reason="the kubectl program is not on this machine"
    ),
]


class Outcome(Struct):
    """What a run of kubectl wrote, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[list[str]]:
        """Return the words of each line."""
        return [line.split() for line in self.out.splitlines()]


Kubectl = Callable[..., Coroutine[Any, Any, Outcome]]


@pytest.fixture
def cluster(api: Api) -> Api:
    """Return a server with a node, a running pod and a custom resource."""
    api.server.kubelet = Kubelet(api)
    api.server.install(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "n", "labels": {"node-role.kubernetes.io/worker": ""}},
            "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Up"}]},
        }
    )
    api.create(POD_LIST, pod("p", nodeName="n"))
    api.create(CRDS, definition())
    return api


def drive(api: Api, folder: Path, work: Callable[[Kubectl], Coroutine[Any, Any, Any]]) -> Any:
    """Serve the API and let `work` call kubectl."""

    async def main() -> Any:
        async with serve(api.server) as endpoint, asyncio.timeout(60):
            endpoint.write_kubeconfig(folder / "config")

            async def kubectl(*words: str, given: Any = None) -> Outcome:
                process = await asyncio.create_subprocess_exec(
                    "kubectl",
                    *words,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    env={**os.environ, "KUBECONFIG": str(folder / "config"), "HOME": str(folder)},
                )
                text = given if isinstance(given, str) else json.dumps(given)
                sent = text.encode() if given is not None else b""
                out, err = await process.communicate(sent)
                return Outcome(process.returncode or 0, out.decode(), err.decode())

            return await work(kubectl)

    return run(main())


async def watched(api: Api, plural: str) -> None:
    """Return when somebody watches a core kind."""
    while not api.server.backend.store.of(("", plural)).watchers:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def once(api: Api, folder: Path, *words: str, given: Any = None) -> Outcome:
    """Run one kubectl."""
    outcome: Outcome = drive(api, folder, lambda kubectl: kubectl(*words, given=given))
    return outcome


def test_get_shows_tables_wide_json_yaml_jsonpath_and_labels(cluster: Api, tmp_path: Path) -> None:
    async def work(kubectl: Kubectl) -> None:
        table = await kubectl("get", "nodes")
        assert table.lines[0] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
        assert table.lines[1][:3] == ["n", "Ready", "worker"]
        wide = await kubectl("get", "pods", "-A", "-o", "wide")
        assert "NODE" in wide.lines[0]
        found = json.loads((await kubectl("get", "pod", "p", "-o", "json")).out)
        assert found["spec"]["nodeName"] == "n"
        assert 'nodeName: "n"' in (await kubectl("get", "pod/p", "-o", "yaml")).out
        path = await kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.name}")
        assert path.out == "p"
        chosen = await kubectl("get", "po,cm", "-l", "app=p", "-o", "name")
        assert chosen.out == "pod/p\n"
        custom = await kubectl("get", "wd")
        assert (custom.code, custom.err) == (0, "No resources found in default namespace.\n")

    drive(cluster, tmp_path, work)


def test_get_follows_changes(cluster: Api, tmp_path: Path) -> None:
    async def work(kubectl: Kubectl) -> Outcome:
        watching = asyncio.create_task(
            kubectl("get", "cm", "-w", "--request-timeout=1s", "--no-headers")
        )
        await watched(cluster, "configmaps")
        await kubectl("create", "configmap", "a", "--from-literal=x=1")
        return await watching

    assert drive(cluster, tmp_path, work).lines == [["a", "1", "0s"]]


def test_describe_tells_about_pods_nodes_and_their_events(cluster: Api, tmp_path: Path) -> None:
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "type": "Normal",
        "reason": "Pulled",
        "message": "image pulled",
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
    }
    uid = cluster.get(f"{POD_LIST}/p")["metadata"]["uid"]
    event["involvedObject"] |= {"uid": uid}  # type: ignore[operator]
    cluster.create("/api/v1/namespaces/default/events", event)

    async def work(kubectl: Kubectl) -> None:
        of_pod = await kubectl("describe", "pod", "p")
        assert "image pulled" in of_pod.out
        of_node = await kubectl("describe", "node", "n")
        assert "Non-terminated Pods:" in of_node.out
        assert "default                     p" in of_node.out

    drive(cluster, tmp_path, work)


def test_apply_keeps_owners_and_refuses_conflicts(cluster: Api, tmp_path: Path) -> None:
    async def work(kubectl: Kubectl) -> None:
        apply = ("apply", "--server-side", "-f", "-")
        first = await kubectl(*apply, given=config_map("a", x="1"))
        assert first.out == "configmap/a serverside-applied\n"
        other = await kubectl(*apply, "--field-manager=other", given=config_map("a", x="2"))
        assert other.code == 1
        assert 'conflict with "kubectl": .data.x' in other.err
        forced = await kubectl(
            *apply, "--field-manager=other", "--force-conflicts", given=config_map("a", x="2")
        )
        assert forced.code == 0
        shown = await kubectl("get", "cm", "a", "-o", "yaml", "--show-managed-fields")
        assert "manager: other" in shown.out
        both = await kubectl(*apply, given=widget("w", nope=1))
        assert both.code == 1
        assert "field not declared in schema" in both.err

    drive(cluster, tmp_path, work)


def test_create_makes_objects_from_files_and_from_words(cluster: Api, tmp_path: Path) -> None:
    async def work(kubectl: Kubectl) -> None:
        made = await kubectl("create", "-f", "-", given=widget("w"))
        assert made.out == "widget.example.com/w created\n"
        again = await kubectl("create", "-f", "-", given=widget("w"))
        assert "AlreadyExists" in again.err
        strict = await kubectl("create", "-f", "-", given=widget("v", nope=1))
        assert 'unknown field "spec.nope"' in strict.err
        for words in (
            ("namespace", "made"),
            ("configmap", "c", "--from-literal=a=b"),
            ("secret", "generic", "s", "--from-literal=k=v"),
            ("serviceaccount", "account"),
            ("deployment", "d", "--image=ubi9", "--replicas=2"),
            ("job", "j", "--image=ubi9", "--", "echo", "hello"),
            ("role", "r", "--verb=get", "--resource=pods"),
            ("clusterrolebinding", "b", "--clusterrole=admin", "--user=alice"),
        ):
            outcome = await kubectl("create", *words)
            assert outcome.code == 0, outcome.err
        replicas = await kubectl("get", "deployment", "d", "-o", "jsonpath={.spec.replicas}")
        assert replicas.out == "2"
        value = await kubectl("get", "secret", "s", "-o", "jsonpath={.data.k}")
        assert value.out == "dg=="

    drive(cluster, tmp_path, work)


def test_create_sends_budgets_quotas_priorities_and_services_too(
    cluster: Api, tmp_path: Path
) -> None:
    port = {"name": "80-http", "port": 80, "protocol": "TCP", "targetPort": "http"}
    made: dict[str, dict[str, Any]] = {
        "quota q --hard=pods=1,requests.nvidia.com/gpu=2 --scopes=BestEffort": {
            "hard": {"pods": "1", "requests.nvidia.com/gpu": "2"},
            "scopes": ["BestEffort"],
        },
        "pdb half --selector=app=p --min-available=50%": {
            "minAvailable": "50%",
            "selector": {"matchLabels": {"app": "p"}},
        },
        "pdb none --selector=app=p --max-unavailable=0": {"maxUnavailable": 0},
        "priorityclass usual --value=0 --description=first": {"value": 0, "description": "first"},
        "service nodeport out --tcp=80:http --node-port=30080": {
            "type": "NodePort",
            "ports": [{**port, "nodePort": 30080}],
            "selector": {"app": "out"},
        },
        "service clusterip in --tcp=80": {"ports": [{**port, "name": "80", "targetPort": 80}]},
        "service externalname other --external-name=example.com": {"externalName": "example.com"},
        "clusterrole all --aggregation-rule=a=b": {
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
        },
    }

    async def work(kubectl: Kubectl) -> None:
        for words, wanted in made.items():
            outcome = await kubectl("create", *words.split(), "-o", "json")
            assert outcome.code == 0, outcome.err
            found = json.loads(outcome.out)
            spec = found.get("spec", found)
            assert {key: spec.get(key) for key in wanted} == wanted

    drive(cluster, tmp_path, work)


def test_delete_waits_until_the_object_is_gone(cluster: Api, tmp_path: Path) -> None:
    held = config_map("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    cluster.create("/api/v1/namespaces/default/configmaps", held)

    async def work(kubectl: Kubectl) -> Outcome:
        deleting = asyncio.create_task(kubectl("delete", "configmap", "held"))
        path = "/api/v1/namespaces/default/configmaps/held"
        await watched(cluster, "configmaps")
        assert not deleting.done()
        await cluster.ask_now("PATCH", path, {"metadata": {"finalizers": None}})
        return await deleting

    assert drive(cluster, tmp_path, work).out == 'configmap "held" deleted\n'


def test_delete_takes_a_namespace_with_all_in_it(cluster: Api, tmp_path: Path) -> None:
    cluster.create("/api/v1/namespaces/gpu/configmaps", config_map("a"))
    outcome = once(cluster, tmp_path, "delete", "namespace", "gpu")
    assert outcome.out == 'namespace "gpu" deleted\n'
    assert cluster.ask("GET", "/api/v1/namespaces/gpu/configmaps/a")[0] == 404


def test_labels_annotations_taints_and_cordons_change_nodes(cluster: Api, tmp_path: Path) -> None:
    async def work(kubectl: Kubectl) -> None:
        assert (await kubectl("label", "node", "n", "a=b")).out == "node/n labeled\n"
        assert (await kubectl("annotate", "node", "n", "c=d")).out == "node/n annotated\n"
        assert (await kubectl("taint", "node", "n", "e=f:NoSchedule")).out == "node/n tainted\n"
        assert (await kubectl("cordon", "n")).out == "node/n cordoned\n"
        node = cluster.server.backend.store.of(("", "nodes")).entries["", "n"].decode()
        assert node["metadata"]["labels"]["a"] == "b"
        assert node["metadata"]["annotations"] == {"c": "d"}
        assert {"key": "e", "value": "f", "effect": "NoSchedule"} in node["spec"]["taints"]
        assert node["spec"]["unschedulable"]
        assert (await kubectl("uncordon", "n")).out == "node/n uncordoned\n"
        assert (await kubectl("taint", "node", "n", "e-")).out == "node/n untainted\n"
        node = cluster.server.backend.store.of(("", "nodes")).entries["", "n"].decode()
        assert not node["spec"].get("taints")
        assert not node["spec"].get("unschedulable")

    drive(cluster, tmp_path, work)


def test_wait_ends_when_the_condition_or_the_path_is_as_wanted(
    cluster: Api, tmp_path: Path
) -> None:
    async def work(kubectl: Kubectl) -> None:
        ready = await kubectl("wait", "--for=condition=Ready", "node/n", "--timeout=5s")
        assert ready.out == "node/n condition met\n"
        served = await kubectl(
            "wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=5s"
        )
        assert served.code == 0
        waiting = asyncio.create_task(
            kubectl("wait", "--for=jsonpath={.status.phase}=Running", "pod/p", "--timeout=5s")
        )
        await watched(cluster, "pods")
        await cluster.ask_now("PATCH", f"{POD_LIST}/p/status", {"status": {"phase": "Running"}})
        assert (await waiting).out == "pod/p condition met\n"

    drive(cluster, tmp_path, work)


def test_logs_and_commands_come_from_the_kubelet(cluster: Api, tmp_path: Path) -> None:
    async def work(kubectl: Kubectl) -> None:
        assert (await kubectl("logs", "p", "--tail=1")).out == "p/main 2\n"
        followed = await kubectl("logs", "-f", "p")
        assert followed.out.endswith("an hour later\n")
        done = await kubectl("exec", "-i", "p", "--", "cat", "file", given="text")
        assert (done.code, done.out) == (0, "p/main cat file text")
        failed = await kubectl("exec", "p", "--", "false")
        assert failed.code == 3

    drive(cluster, tmp_path, work)


def test_auth_and_discovery_answer(cluster: Api, tmp_path: Path) -> None:
    async def work(kubectl: Kubectl) -> None:
        assert (await kubectl("auth", "can-i", "create", "pods")).out == "yes\n"
        user = json.loads((await kubectl("auth", "whoami", "-o", "json")).out)["status"]["userInfo"]
        assert user == {
            "username": "system:admin",
            "groups": ["system:masters", "system:authenticated"],
        }
        rules = await kubectl("auth", "can-i", "--list")
        assert ["*.*", "[]", "[]", "[*]"] in rules.lines
        resources = await kubectl("api-resources", "-o", "name")
        assert {"pods", "nodes", "widgets.example.com"} <= set(resources.out.split())
        version = await kubectl("version", "-o", "json")
        assert json.loads(version.out)["serverVersion"]["gitVersion"].endswith("+simulated")

    drive(cluster, tmp_path, work)
