"""What errors say, and what they must never say."""

import asyncio

import pytest

from oc_gpu.kube import (
    AlreadyExistsError,
    ApiError,
    ConfigError,
    ConflictError,
    ConnectionFailedError,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
    OcGpuError,
    Response,
    ServerError,
    TimeoutExceededError,
    TooManyRequestsError,
    UnauthorizedError,
    UsageError,
)
from oc_gpu.kube import resources as known
from oc_gpu.kube.errors import MAX_TEXT, Asked, clean
from tests.kube.fake import answer, client
from tests.kube.server import status

OBJECT = {"metadata": {"name": "p", "namespace": "a"}}


def refusal(code: int, reason: str, message: str, **details: object) -> ApiError:
    kube, _ = client(*[answer(status(code, reason, message, **details), code)] * 5)
    with pytest.raises(ApiError) as caught:
        asyncio.run(kube.apply(known.PODS, OBJECT))
    return caught.value


@pytest.mark.parametrize(
    ("code", "reason", "kind", "exit_code"),
    [
        (400, "BadRequest", ApiError, 1),
        (401, "Unauthorized", UnauthorizedError, 3),
        (403, "Forbidden", ForbiddenError, 3),
        (404, "NotFound", NotFoundError, 1),
        (409, "Conflict", ConflictError, 1),
        (409, "AlreadyExists", AlreadyExistsError, 1),
        (410, "Expired", GoneError, 1),
        (422, "Invalid", InvalidError, 1),
        (429, "TooManyRequests", TooManyRequestsError, 1),
        (500, "InternalError", ServerError, 1),
        (504, "Timeout", ServerError, 1),
    ],
)
def test_each_status_has_its_class_and_exit_code(
    code: int, reason: str, kind: type[ApiError], exit_code: int
) -> None:
    error = refusal(code, reason, "because")
    assert type(error) is kind
    assert error.exit_code == exit_code
    assert (error.status, error.reason, error.server_message) == (code, reason, "because")


def test_the_exit_codes_of_the_product() -> None:
    made = [OcGpuError, UsageError, ConfigError, ConnectionFailedError, TimeoutExceededError]
    assert [kind("x").exit_code for kind in made] == [1, 2, 2, 3, 4]


def test_an_api_error_names_verb_object_status_and_reason() -> None:
    error = refusal(422, "Invalid", 'Pod "p" is invalid: spec.x: Required value.')
    assert str(error) == (
        'cannot apply pods/p in a: Pod "p" is invalid: spec.x: Required value (422 Invalid)'
    )
    assert (error.verb, error.name, error.namespace) == ("apply", "p", "a")
    assert error.resource == known.PODS


def test_cluster_scoped_objects_are_named_without_namespace() -> None:
    assert str(Asked("list", known.NODES, namespace="ignored")) == "list nodes"
    assert str(Asked("get", name="/version")) == "get /version"
    assert str(Asked("logs", known.PODS, "p", "a", "log")) == "logs pods/p in a"
    assert str(Asked("apply", known.NODES, "n", None, "status")) == "apply nodes/n/status"


def test_unauthorized_says_how_to_log_in() -> None:
    assert "oc login" in refusal(401, "Unauthorized", "Unauthorized").hints[0]


def test_forbidden_names_the_missing_right_in_the_words_of_rbac() -> None:
    assert "`patch pods in namespace a`" in refusal(403, "Forbidden", "no").hints[0]
    crd = Asked("replace", known.CLUSTER_POLICIES, "x", None, "status")
    assert crd.right == "update clusterpolicies.nvidia.com/status"
    assert Asked("get", name="/version").right == "get /version"


def test_a_conflict_tells_each_field_and_its_manager() -> None:
    cause = {"reason": "FieldManagerConflict", "field": ".data.a", "message": 'with "argocd"'}
    error = refusal(409, "Conflict", "Apply failed with 1 conflict", causes=[cause])
    assert error.causes == ('.data.a: with "argocd"',)
    assert error.hints == ('conflict: .data.a: with "argocd"',)


def test_a_body_that_is_no_status_is_not_repeated() -> None:
    kube, _ = client(Response(403, {}, b"<html>proxy password: hunter2</html>"))
    with pytest.raises(ForbiddenError) as caught:
        asyncio.run(kube.get(known.NODES, "n"))
    assert str(caught.value) == "cannot get nodes/n: the server answered 403"


def test_long_messages_are_cut() -> None:
    error = refusal(400, "BadRequest", "x" * 1000)
    assert len(error.server_message) == MAX_TEXT
    assert error.server_message.endswith("...")


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN PRIVATE KEY-----\nMIIEabc",
        "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tMIIEabc",
        "Bearer abcdef",
        "sha256~abcdef",
        "eyJhbGciOi.eyJzdWIi.abcdef",
    ],
)
def test_secrets_in_messages_are_not_shown(secret: str) -> None:
    text = clean(f"Invalid value: {secret}")
    assert "abc" not in text
    assert text.startswith("Invalid value: ")
    assert "(not shown)" in text


def test_user_and_password_of_a_url_are_not_shown() -> None:
    text = clean("cannot pull through http://user:hun@ter2@proxy.example.com:3128 or http://b/c@d")
    assert text == "cannot pull through http://***@proxy.example.com:3128 or http://b/c@d"
