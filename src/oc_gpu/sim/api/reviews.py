"""Users asking who they are and what they may do: the reviews of oneself."""

import msgspec

from oc_gpu.kube.objects import RawObject, Resource
from oc_gpu.sim.api import objects
from oc_gpu.sim.api.access import Attempt
from oc_gpu.sim.api.backend import Backend
from oc_gpu.sim.api.messages import ADMIN, ApiResponse
from oc_gpu.sim.api.routing import Call

GROUPS = frozenset({"authorization.k8s.io", "authentication.k8s.io"})


def review(backend: Backend, call: Call) -> ApiResponse:
    """Answer a review; nothing is stored."""
    asked = objects.parse(call)
    if call.kind.resource.kind == "SelfSubjectRulesReview":
        asked["status"] = _rules(backend)
    elif call.kind.resource.kind == "SelfSubjectReview":
        asked["status"] = {"userInfo": _user(call.request.user)}
    else:
        asked["status"] = _access(backend, call, asked)
    return ApiResponse(201, msgspec.json.encode(asked))


def _user(name: str) -> RawObject:
    """Return who a user is; the certificate of `system:admin` makes it one of the masters."""
    groups = ["system:masters"] if name == ADMIN else []
    return {"username": name, "groups": [*groups, "system:authenticated"]}


def _access(backend: Backend, call: Call, asked: RawObject) -> RawObject:
    wanted = (asked.get("spec") or {}).get("resourceAttributes")
    if not wanted:
        return {"allowed": True}
    resource = Resource(
        wanted.get("group", ""), wanted.get("version", ""), wanted.get("resource", ""), ""
    )
    attempt = Attempt(
        call.request.user,
        wanted.get("verb", ""),
        resource,
        wanted.get("subresource", ""),
        wanted.get("namespace", ""),
        wanted.get("name", ""),
    )
    allowed = backend.access.allows(attempt)
    return {"allowed": allowed, "reason": "" if allowed else "denied by the scenario"}


def _rules(backend: Backend) -> RawObject:
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    return {
        "resourceRules": [everything],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        "incomplete": bool(backend.access.denied),
    }
