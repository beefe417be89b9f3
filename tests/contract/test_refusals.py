"""Every refusal is a `Status` with a reason, a message and details."""

from typing import Any

import pytest

from tests.contract.api import Api, with_query
from tests.contract.objects import GROUP, config_map, deployment, labelled, pod, widget
from tests.contract.servers import FORBIDDEN, Server


@pytest.fixture
def maps(api: Api) -> str:
    """Return the path of this test's ConfigMaps."""
    return api.path("configmaps")


def test_a_stranger_is_not_known(server: Server) -> None:
    stranger = Api(server.admin._replace(token="wrong"))
    answer = stranger.ask("GET", "/api/v1/namespaces")
    stranger.close()
    assert answer.refusal == (401, "Unauthorized", "Unauthorized")


@pytest.mark.parametrize(
    ("method", "path", "verb", "what"),
    [
        ("GET", "secrets", "list", 'resource "secrets" in API group ""'),
        ("GET", "secrets/x", "get", 'resource "secrets" in API group ""'),
        ("POST", "secrets", "create", 'resource "secrets" in API group ""'),
        ("DELETE", "secrets/x", "delete", 'resource "secrets" in API group ""'),
        ("DELETE", "secrets", "deletecollection", 'resource "secrets" in API group ""'),
        ("PATCH", "pods/x/status", "patch", 'resource "pods/status" in API group ""'),
        ("GET", "pods/x/log", "get", 'resource "pods/log" in API group ""'),
    ],
)
def test_what_one_may_not_do_is_forbidden(
    server: Server, method: str, path: str, verb: str, what: str
) -> None:
    restricted = Api(server.restricted, FORBIDDEN)
    answer = restricted.ask(method, restricted.path(path), {})
    restricted.close()
    plural, _, name = path.partition("/")
    named = f'{plural} "{name.partition("/")[0]}"' if name else plural
    assert answer.refusal == (
        403,
        "Forbidden",
        (
            f'{named} is forbidden: User "{server.user}" cannot {verb} {what} '
            f'in the namespace "{FORBIDDEN}"'
        ),
    )
    details = {"name": name.partition("/")[0], "kind": plural}
    assert answer.body["details"] == {key: value for key, value in details.items() if value}


def test_a_forbidden_kind_of_a_group_is_named_with_it(server: Server) -> None:
    restricted = Api(server.restricted, FORBIDDEN)
    answer = restricted.ask("GET", restricted.path("deployments", group="apps"))
    restricted.close()
    assert answer.refusal[2] == (
        f'deployments.apps is forbidden: User "{server.user}" cannot list resource "deployments" '
        f'in API group "apps" in the namespace "{FORBIDDEN}"'
    )
    assert answer.body["details"] == {"group": "apps", "kind": "deployments"}


@pytest.mark.parametrize("user", ["admin", "restricted"])
@pytest.mark.parametrize("namespace", ["default", FORBIDDEN])
def test_one_may_ask_what_one_may_do(server: Server, user: str, namespace: str) -> None:
    api = Api(getattr(server, user), FORBIDDEN)
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {
            "resourceAttributes": {"verb": "get", "resource": "secrets", "namespace": namespace}
        },
    }
    answer = api.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    api.close()
    assert answer.status == 201
    assert answer.body["kind"] == "SelfSubjectAccessReview"
    assert answer.body["spec"] == review["spec"]
    if namespace == FORBIDDEN:
        assert answer.body["status"]["allowed"] == (user == "admin" and server.name == "lab")


def test_an_object_that_is_not_there_is_named(api: Api) -> None:
    answer = api.ask("GET", api.path("deployments", "x", group="apps"))
    assert answer.refusal == (404, "NotFound", 'deployments.apps "x" not found')
    assert answer.body["details"] == {"name": "x", "group": "apps", "kind": "deployments"}
    assert answer.body["metadata"] == {}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/api/v1/namespaces/default/configmaps"),
        ("PUT", "/api/v1/namespaces/default/configmaps"),
        ("POST", "/api/v1/namespaces/default/configmaps/a"),
        ("DELETE", "/api/v1/configmaps"),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
        ("DELETE", "/api/v1/namespaces/default/pods/p/status"),
    ],
)
def test_a_method_that_a_path_does_not_have_is_refused(api: Api, method: str, path: str) -> None:
    answer = api.ask(method, path, {})
    assert answer.refusal == (
        405,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
    )
    assert answer.body["details"] == {}


def test_an_answer_in_a_form_that_is_not_served_is_refused(api: Api, maps: str) -> None:
    answer = api.ask("GET", maps, headers={"accept": "text/html"})
    assert answer.refusal[:2] == (406, "NotAcceptable")
    accepted = "406: Not Acceptable\n\nAvailable representations: application/json"
    assert answer.refusal[2].startswith(accepted)


@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
def test_json_is_for_those_who_take_anything(api: Api, maps: str, accept: str) -> None:
    assert api.get(maps, accept=accept)["kind"] == "ConfigMapList"


def test_a_body_in_a_form_that_is_not_known_is_refused(api: Api, maps: str) -> None:
    answer = api.ask("POST", maps, b"x", {"content-type": "text/plain"})
    assert answer.refusal[:2] == (415, "UnsupportedMediaType")
    assert "accepted media types include: application/json" in answer.refusal[2]


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b"", b"nonsense"])
def test_a_body_that_is_no_object_is_a_bad_request(api: Api, maps: str, body: bytes) -> None:
    assert api.ask("POST", maps, body).refusal[:2] == (400, "BadRequest")


def test_a_yaml_body_is_fine(api: Api, maps: str) -> None:
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata: {x: '1'}\n"
    answer = api.ask("POST", maps, text, {"content-type": "application/yaml"})
    assert (answer.status, answer.body["data"]) == (201, {"x": "1"})


def test_an_object_of_another_kind_is_a_bad_request(api: Api, maps: str) -> None:
    for wrong in ({"kind": "Pod"}, {"kind": "Nope"}, {"apiVersion": "v7"}):
        given = config_map("a") | wrong
        code, reason, message = api.ask("POST", maps, given).refusal
        assert (code, reason) == (400, "BadRequest")
        told = f'{given["kind"]} in version "{given["apiVersion"]}"'
        assert message.startswith(f"{told} cannot be handled as a ConfigMap: ")


def test_a_field_of_the_wrong_type_is_a_bad_request(api: Api, maps: str) -> None:
    answer = api.ask("POST", maps, config_map("a") | {"data": {"x": 1}})
    assert answer.refusal == (
        400,
        "BadRequest",
        (
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal '
            "number into Go struct field ConfigMap.data of type string"
        ),
    )


def test_misspelt_fields_are_refused_when_asked_to_be_strict(api: Api) -> None:
    wrong = pod("p", restartpolicy="Never")
    wrong["spec"]["containers"][0]["imagePulPolicy"] = "Always"
    target = with_query(api.path("pods"), fieldValidation="Strict")
    answer = api.ask("POST", target, wrong)
    assert answer.refusal == (
        400,
        "BadRequest",
        (
            'Pod in version "v1" cannot be handled as a Pod: strict decoding error: '
            'unknown field "spec.containers[0].imagePulPolicy", unknown field "spec.restartpolicy"'
        ),
    )


def test_misspelt_fields_are_warned_of_and_dropped(api: Api, maps: str) -> None:
    answer = api.ask("POST", maps, config_map("a") | {"date": {}})
    assert answer.status == 201
    assert answer.headers["warning"] == '299 - "unknown field \\"date\\""'
    assert "date" not in answer.body


def test_twice_the_same_field_is_refused_when_asked_to_be_strict(api: Api, maps: str) -> None:
    text = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{},"data":{}}'
    answer = api.ask("POST", with_query(maps, fieldValidation="Strict"), text)
    assert answer.refusal[:2] == (400, "BadRequest")
    assert answer.refusal[2].endswith('strict decoding error: duplicate field "data"')


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"selector": {"matchLabels": {"app": "x"}}}, "spec.template.metadata.labels"),
        ({"selector": None}, "spec.selector"),
        ({"replicas": -1}, "spec.replicas"),
    ],
)
def test_deployments_are_checked(api: Api, change: dict[str, Any], field: str) -> None:
    answer = api.ask("POST", api.path("deployments", group="apps"), deployment("d", **change))
    assert answer.refusal[:2] == (422, "Invalid")
    assert field in {c["field"] for c in answer.body["details"]["causes"]}


def test_a_selector_stays_as_it_is(api: Api) -> None:
    path = api.path("deployments", group="apps")
    api.create(path, deployment("d"))
    labels = {"app": "e"}
    change = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}},
    }
    answer = api.patch(f"{path}/d", {"spec": change})
    assert answer.refusal[:2] == (422, "Invalid")
    [cause] = answer.body["details"]["causes"]
    assert cause["field"] == "spec.selector"
    assert cause["message"].endswith(": field is immutable")


def test_pods_hardly_change(api: Api) -> None:
    pods = api.path("pods")
    api.create(pods, pod("p"))
    done = api.patch(f"{pods}/p", {"spec": {"activeDeadlineSeconds": 5}})
    assert done.status == 200
    answer = api.patch(f"{pods}/p", {"spec": {"hostNetwork": True}})
    assert answer.refusal[:2] == (422, "Invalid")
    assert "spec: Forbidden: pod updates may not change fields other than" in answer.refusal[2]


def test_a_pod_needs_a_container(api: Api) -> None:
    answer = api.ask("POST", api.path("pods"), pod("p", containers=[]))
    assert answer.refusal == (
        422,
        "Invalid",
        'Pod "p" is invalid: spec.containers: Required value',
    )


def test_a_role_reference_stays_as_it_is(api: Api) -> None:
    group = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "b"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": api.namespace}],
    }
    path = api.path("rolebindings", group=group)
    api.create(path, binding)
    answer = api.patch(f"{path}/b", {"roleRef": {"name": "edit"}})
    assert answer.refusal[:2] == (422, "Invalid")
    [cause] = answer.body["details"]["causes"]
    assert cause["field"] == "roleRef"
    assert cause["message"].endswith(": cannot change roleRef")


def test_a_type_of_a_secret_stays_as_it_is(api: Api) -> None:
    path = api.path("secrets")
    api.create(path, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})
    answer = api.patch(f"{path}/s", {"type": "example.com/other"})
    assert answer.refusal[:2] == (422, "Invalid")
    [cause] = answer.body["details"]["causes"]
    assert (cause["field"], cause["reason"]) == ("type", "FieldValueInvalid")
    assert cause["message"].endswith(": field is immutable")


def test_several_causes_are_listed_in_brackets(api: Api, maps: str) -> None:
    answer = api.ask("POST", maps, labelled(config_map("a"), k="two words", l="a b"))
    code, _, message = answer.refusal
    assert code == 422
    assert message.startswith('ConfigMap "a" is invalid: [metadata.labels: Invalid value: ')
    assert len(answer.body["details"]["causes"]) == 2


def test_a_custom_resource_says_what_it_is(api: Api) -> None:
    path = api.path("widgets", group=GROUP)
    for version in (f"{GROUP}/v9", "v1", ""):
        answer = api.ask("POST", path, widget("w") | {"apiVersion": version})
        message = (
            f"the API version in the data ({version}) does not match the expected API version "
            f"({GROUP}/v1)"
        )
        assert answer.refusal == (400, "BadRequest", message)
    answer = api.ask("POST", path, widget("w") | {"kind": "Gadget"})
    assert answer.refusal == (
        422,
        "Invalid",
        f'Gadget.{GROUP} "w" is invalid: kind: Invalid value: "Gadget": must be Widget',
    )
    answer = api.ask("POST", path, widget("w") | {"kind": ""})
    assert answer.refusal[:2] == (400, "BadRequest")
    assert "(must be of type Widget): Object 'Kind' is missing in " in answer.refusal[2]
