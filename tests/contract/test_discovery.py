"""What the server says that it serves."""

from typing import Any

import pytest

from oc_gpu.kube import RawObject
from tests.contract.api import Api, install
from tests.contract.objects import GROUP, definition
from tests.contract.told import RESOURCES

_RBAC = "rbac.authorization.k8s.io"
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
SERVED = {
    "/api/v1": (
        "pods pods/status pods/log pods/exec pods/eviction pods/binding nodes nodes/status "
        "namespaces namespaces/status namespaces/finalize secrets configmaps events "
        "serviceaccounts services services/status"
    ),
    "/apis/apps/v1": (
        "daemonsets daemonsets/status deployments deployments/status replicasets "
        "replicasets/status controllerrevisions"
    ),
    "/apis/batch/v1": "jobs jobs/status",
    "/apis/policy/v1": "poddisruptionbudgets poddisruptionbudgets/status",
    "/apis/coordination.k8s.io/v1": "leases",
    f"/apis/{_RBAC}/v1": "roles rolebindings clusterroles clusterrolebindings",
    "/apis/scheduling.k8s.io/v1": "priorityclasses",
    "/apis/node.k8s.io/v1": "runtimeclasses",
    "/apis/apiextensions.k8s.io/v1": "customresourcedefinitions customresourcedefinitions/status",
    "/apis/authorization.k8s.io/v1": "selfsubjectaccessreviews selfsubjectrulesreviews",
    f"/apis/{GROUP}/v1": "widgets widgets/status",
}


def test_versions_and_groups_are_listed(api: Api) -> None:
    core = api.get("/api")
    assert (core["kind"], core["versions"]) == ("APIVersions", ["v1"])
    listed = api.get("/apis")
    assert (listed["kind"], listed["apiVersion"]) == ("APIGroupList", "v1")
    groups = {group["name"]: group for group in listed["groups"]}
    for path in SERVED:
        group, _, version = path.removeprefix("/apis/").partition("/")
        if path == "/api/v1":
            continue
        here = {"groupVersion": f"{group}/{version}", "version": version}
        assert here in groups[group]["versions"]
        assert groups[group]["preferredVersion"] == here
        one = api.get(f"/apis/{group}")
        assert (one["kind"], one["apiVersion"]) == ("APIGroup", "v1")
        assert one["versions"] == groups[group]["versions"]


@pytest.mark.parametrize("path", SERVED)
def test_a_version_lists_its_resources(api: Api, path: str) -> None:
    listed = api.get(path)
    assert (listed["kind"], listed["groupVersion"]) == (
        "APIResourceList",
        path.removeprefix("/apis/").removeprefix("/api/"),
    )
    found = {entry["name"]: _told(entry) for entry in listed["resources"]}
    wanted = SERVED[path].split()
    assert {name: found.get(name) for name in wanted} == {
        name: RESOURCES[f"{path}/{name}"] for name in wanted
    }


def _told(entry: RawObject) -> RawObject:
    """Return what discovery says of a resource, in an order of its own."""
    told: dict[str, Any] = {
        key: sorted(value) if isinstance(value, list) else value
        for key, value in entry.items()
        if key not in {"storageVersionHash", "name"}
    }
    return told


def test_aggregated_discovery_tells_the_same_at_once(api: Api) -> None:
    for root in ("/api", "/apis"):
        answer = api.ask("GET", root, headers={"accept": _AGGREGATED})
        assert answer.headers["content-type"] == _AGGREGATED
        assert answer.body["kind"] == "APIGroupDiscoveryList"
        for path in SERVED:
            if path.startswith(f"{root}/"):
                assert _aggregated(answer.body, path) == _plain(api, path)


def _aggregated(listed: RawObject, path: str) -> Any:
    group, _, version = path.removeprefix("/apis/").rpartition("/")
    group = "" if path == "/api/v1" else group
    item = next(i for i in listed["items"] if i["metadata"].get("name", "") == group)
    here = next(v for v in item["versions"] if v["version"] == version)
    assert here["freshness"] == "Current"
    wanted = set(SERVED[path].split())
    found = {}
    for resource in here["resources"]:
        name = resource["resource"]
        scope = resource["scope"] == "Namespaced"
        found[name] = (resource["responseKind"]["kind"], scope, sorted(resource["verbs"]))
        for part in resource.get("subresources", []):
            kind = part["responseKind"]["kind"]
            found[f"{name}/{part['subresource']}"] = (kind, scope, sorted(part["verbs"]))
    return {name: told for name, told in found.items() if name in wanted}


def _plain(api: Api, path: str) -> Any:
    wanted = set(SERVED[path].split())
    return {
        entry["name"]: (entry["kind"], entry["namespaced"], sorted(entry["verbs"]))
        for entry in api.get(path)["resources"]
        if entry["name"] in wanted
    }


def test_a_definition_brings_names_of_its_own(api: Api) -> None:
    given = definition("Known")
    given["spec"]["names"] |= {
        "singular": "knownone",
        "shortNames": ["kn"],
        "categories": ["all"],
    }
    install(api, given)
    found = {e["name"]: e for e in api.get(f"/apis/{GROUP}/v1")["resources"]}
    known = found["knowns"]
    assert (known["singularName"], known["kind"]) == ("knownone", "Known")
    assert (known["shortNames"], known["categories"]) == (["kn"], ["all"])
    assert found["knowns/status"]["kind"] == "Known"


def test_the_server_tells_its_version(api: Api) -> None:
    told = api.get("/version")
    assert (told["major"], told["minor"]) == ("1", "35")
    assert told["gitVersion"].startswith("v1.35.4")


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_health_is_ok(api: Api, path: str) -> None:
    assert api.get(path) == "ok"


@pytest.mark.parametrize(
    "path",
    [
        "/x",
        "/apis/none.example.com",
        "/apis/none.example.com/v1",
        "/apis/none.example.com/v1/things",
        f"/apis/{GROUP}/v9",
        f"/apis/{GROUP}/v1/things",
        f"/apis/{GROUP}/v1/widgets/a",
    ],
)
def test_what_nobody_knows_is_not_found(api: Api, path: str) -> None:
    answer = api.ask("GET", path)
    assert (answer.status, answer.body) == (404, "404 page not found\n")


@pytest.mark.parametrize(
    "path",
    [
        "/api/v2",
        "/apis/apps/v9",
        "/apis/apps/v1/things",
        "/api/v1/things",
        "/api/v1/configmaps/a",
        "/api/v1/namespaces/default/things/x",
        "/api/v1/namespaces/default/configmaps/a/status",
        "/api/v1/namespaces/default/nodes",
    ],
)
def test_what_a_built_in_group_does_not_have_is_not_found(api: Api, path: str) -> None:
    answer = api.ask("GET", path)
    message = "the server could not find the requested resource"
    assert answer.refusal == (404, "NotFound", message)
    assert answer.body["details"] == {}
