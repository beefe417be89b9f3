"""Logs, commands, binding and eviction of pods; rights; what the server tells of itself."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from oc_gpu.kube import Client, ForbiddenError, RawObject
from oc_gpu.kube.errors import ApiError
from oc_gpu.kube.resources import NODES, PODS, SECRETS
from oc_gpu.sim.api.backend import LogOptions
from oc_gpu.sim.api.inprocess import InProcessTransport
from oc_gpu.sim.api.messages import SIMULATOR, StatusError
from oc_gpu.sim.api.server import ApiServer
from oc_gpu.sim.clock import VirtualClock
from oc_gpu.sim.scenario import DenyRule

from .conftest import START, Api, config_map, namespace, pod, run

POD_LIST = "/api/v1/namespaces/default/pods"


class Kubelet:
    """Answers with what it was asked."""

    def __init__(self, api: Api) -> None:
        self.clock = api.clock

    async def logs(
        self, pod: RawObject, container: str, options: LogOptions
    ) -> AsyncIterator[bytes]:
        if options.previous:
            raise StatusError(400, "BadRequest", "no previous container")
        return self._lines(f"{pod['metadata']['name']}/{container}", options)

    async def _lines(self, name: str, options: LogOptions) -> AsyncIterator[bytes]:
        lines = [f"{name} {number}\n".encode() for number in range(3)]
        for line in lines[-options.tail_lines :] if options.tail_lines else lines:
            yield line
        if options.follow:
            await self.clock.sleep(3600)
            yield b"an hour later\n"

    async def exec(
        self, pod: RawObject, container: str, command: Sequence[str], stdin: bytes
    ) -> tuple[bytes, bytes, int]:
        if command[0] == "absent":
            raise StatusError(500, "InternalError", "no such file")
        told = f"{pod['metadata']['name']}/{container} {' '.join(command)} {stdin.decode()}"
        return told.encode(), b"x" * 70_000, 3 if command[0] == "false" else 0

    async def journal(self, node: str, pattern: str) -> str | None:
        return f"{node} {pattern}\n" if node == "n" else None


@pytest.fixture
def running(api: Api) -> Api:
    api.server.kubelet = Kubelet(api)
    api.create(POD_LIST, pod("p", nodeName="n"))
    api.create(POD_LIST, pod("unbound"))
    return api


def test_logs_are_those_of_the_container_and_as_long_as_asked_for(running: Api) -> None:
    async def main() -> tuple[str, str]:
        async with running.client() as client:
            whole = await client.logs("default", "p")
            return whole, await client.logs("default", "p", container="main", tail=1)

    assert run(main()) == ("p/main 0\np/main 1\np/main 2\n", "p/main 2\n")


def test_followed_logs_go_on_in_simulated_time(running: Api) -> None:
    async def main() -> list[str]:
        async with running.client() as client:
            return [line async for line in client.follow_logs("default", "p")]

    assert run(main())[-1] == "an hour later"
    assert running.clock.elapsed == 3600


@pytest.mark.parametrize(
    ("target", "code", "text"),
    [
        ("p/log?container=other", 400, "container other is not valid for pod p"),
        ("p/log?previous=true", 400, "no previous container"),
        ("unbound/log", 400, "pod unbound does not have a host assigned"),
        ("none/log", 404, 'pods "none" not found'),
        ("p/exec?command=ls", 400, "Upgrade request required"),
        ("p/exec", 400, "you must specify at least one command for the container"),
    ],
)
def test_what_a_pod_cannot_do_is_said(running: Api, target: str, code: int, text: str) -> None:
    status, answer = running.ask("GET", f"{POD_LIST}/{target}")
    assert (status, answer["message"]) == (code, text)


def test_a_pod_of_several_containers_needs_a_container_name(running: Api) -> None:
    two = pod("two", nodeName="n")
    two["spec"]["containers"].append({"name": "side", "image": "x"})
    running.create(POD_LIST, two)
    status, answer = running.ask("GET", f"{POD_LIST}/two/log")
    assert status == 400
    assert answer["message"].endswith("choose one of: [main side]")


def test_commands_have_output_input_and_an_exit_code(running: Api) -> None:
    async def main() -> list[Any]:
        async with running.client() as client:
            return [
                await client.exec("default", "p", ["cat", "-"], stdin=b"given"),
                await client.exec("default", "p", ["false"]),
            ]

    good, bad = run(main())
    assert good.stdout == "p/main cat - given"
    assert good.stderr == "x" * 70_000
    assert (good.exit_code, bad.exit_code) == (0, 3)


def test_a_command_that_cannot_run_is_an_error(running: Api) -> None:
    async def main(name: str, command: str) -> None:
        async with running.client() as client:
            await client.exec("default", name, [command])

    with pytest.raises(ApiError, match="no such file"):
        run(main("p", "absent"))
    with pytest.raises(ApiError, match="does not have a host"):
        run(main("unbound", "ls"))


def test_binding_gives_a_pod_its_node_once(running: Api) -> None:
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "unbound"}}
    binding["target"] = {"kind": "Node", "name": "n"}
    assert running.ask("POST", f"{POD_LIST}/unbound/binding", binding)[0] == 201
    bound = running.get(f"{POD_LIST}/unbound")
    assert bound["spec"]["nodeName"] == "n"
    assert bound["status"]["conditions"][0]["type"] == "PodScheduled"
    assert running.ask("POST", f"{POD_LIST}/unbound/binding", binding)[0] == 409


def test_eviction_deletes_unless_a_budget_forbids(running: Api) -> None:
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "b", "namespace": "default"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "p"}}},
        "status": {"disruptionsAllowed": 0},
    }
    running.server.install(budget)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    status, answer = running.ask("POST", f"{POD_LIST}/p/eviction", eviction)
    assert (status, answer["reason"]) == (429, "TooManyRequests")
    path = "/apis/policy/v1/namespaces/default/poddisruptionbudgets/b/status"
    running.patch(path, {"status": {"disruptionsAllowed": 1}})
    assert running.ask("POST", f"{POD_LIST}/p/eviction", eviction)[0] == 201
    assert running.get(f"{POD_LIST}/p")["metadata"]["deletionTimestamp"]


def test_the_spec_of_a_pod_cannot_be_changed_but_for_its_images(running: Api) -> None:
    status, answer = running.patch(f"{POD_LIST}/p", {"spec": {"hostNetwork": True}})
    assert status == 422
    assert "pod updates may not change fields" in answer["message"]
    image = {"spec": {"containers": [{"name": "main", "image": "other"}]}}
    status, _ = running.patch(f"{POD_LIST}/p", image, "application/strategic-merge-patch+json")
    assert status == 200


def restricted(*rules: DenyRule) -> ApiServer:
    server = ApiServer(VirtualClock(START), denied=rules)
    for name in ("default", "gpu"):
        server.install(namespace(name))
    return server


def test_what_a_scenario_denies_is_forbidden_to_users_but_not_to_actors() -> None:
    rule = DenyRule(verbs=("list", "create"), api_groups=("",), resources=("secrets",))
    server = restricted(rule)

    async def main(user: str) -> None:
        async with Client(InProcessTransport(server, user=user)) as client:
            await client.list(NODES)
            await client.list(SECRETS, "gpu")

    run(main(SIMULATOR))
    message = 'User "alice" cannot list resource "secrets" in API group "" in the namespace "gpu"'
    with pytest.raises(ForbiddenError, match=message):
        run(main("alice"))


def test_users_can_ask_what_they_may_do() -> None:
    server = restricted(
        DenyRule(verbs=("delete",), resources=("pods",), namespaces=("gpu",)),
        DenyRule(resources=("pods/exec",)),
    )

    async def main() -> list[bool]:
        async with Client(InProcessTransport(server, user="alice", external=True)) as client:
            return [
                await client.can_i("delete", PODS, "default"),
                await client.can_i("delete", PODS, "gpu"),
                await client.can_i("get", PODS, "gpu"),
                await client.can_i("create", PODS, "gpu", subresource="exec"),
            ]

    assert run(main()) == [True, False, True, False]
    assert server.backend.writes.total == 0


def test_writes_from_outside_are_counted_and_dry_runs_are_not(api: Api) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    transport = InProcessTransport(api.server, user="alice", external=True)

    async def main() -> None:
        async with Client(transport) as client:
            await client.create(PODS, pod("p"), "default", dry_run=True)
            await client.create(PODS, pod("p"), "default")
            await client.delete(PODS, "p", "default")

    run(main())
    api.create(path, config_map("inside"))
    told = api.get("/simulation")
    assert told["writes"] == {
        "external": 2,
        "total": 3,
        "log": [f"POST {POD_LIST}", f"DELETE {POD_LIST}/p"],
    }
    assert told["virtualSeconds"] == 0


def test_the_version_says_that_this_is_a_simulation(api: Api) -> None:
    async def main() -> Any:
        async with api.client() as client:
            return await client.version()

    version = run(main())
    assert version.simulated
    assert version.git_version.startswith("v1.")


def test_discovery_tells_every_kind_both_ways(api: Api) -> None:
    async def main() -> Any:
        async with api.client() as client:
            return await client.discover()

    found = run(main())
    assert found.find("apps", "DaemonSet").plural == "daemonsets"
    assert not found.find("", "Node").namespaced
    core = api.get("/api/v1")["resources"]
    assert {"pods", "pods/log", "pods/status", "nodes"} <= {r["name"] for r in core}
    groups = {group["name"] for group in api.get("/apis")["groups"]}
    assert {"apps", "batch", "operators.coreos.com"} <= groups
    assert api.get("/apis/apps")["preferredVersion"]["version"] == "v1"
    plain = {
        (g, r["name"])
        for g in groups
        for v in api.get(f"/apis/{g}")["versions"]
        for r in api.get(f"/apis/{v['groupVersion']}")["resources"]
        if "/" not in r["name"]
    }
    plain |= {("", r["name"]) for r in core if "/" not in r["name"]}
    assert plain == {(r.group, r.plural) for r in found.resources}


def test_openapi_leaves_the_check_of_fields_to_the_server(api: Api) -> None:
    links = api.get("/openapi/v3")["paths"]
    document = api.get(links["apis/apps/v1"]["serverRelativeURL"].partition("?")[0])
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"]["kind"] == "Deployment"
    assert "fieldValidation" in [parameter["name"] for parameter in patch["parameters"]]
    assert api.ask("GET", "/openapi/v3/apis/none/v1")[0] == 404
