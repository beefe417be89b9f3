"""What the server tells of itself: groups, kinds, verbs, version."""

from collections.abc import Iterable
from itertools import groupby

import msgspec

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api.backend import Backend
from oc_gpu.sim.api.errors import no_such_path, unknown_path
from oc_gpu.sim.api.kinds import PART_VERBS, ServedKind
from oc_gpu.sim.api.messages import JSON, ApiRequest, ApiResponse

_AGGREGATED = "apidiscovery.k8s.io"
_PART_KINDS: dict[str, tuple[str, str, str]] = {
    "exec": ("", "v1", "PodExecOptions"),
    "eviction": ("policy", "v1", "Eviction"),
    "binding": ("", "v1", "Binding"),
    "proxy": ("", "v1", "NodeProxyOptions"),
}


def answer(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Answer `/api`, `/apis` and what lies directly below.

    Raises:
        StatusError: 404, there is no such group or version.
    """
    parts = request.path.strip("/").split("/")
    kinds = backend.registry.kinds()
    if len(parts) == 1:
        core = parts[0] == "api"
        aggregated = _aggregated_version(request)
        if aggregated:
            chosen = [kind for kind in kinds if (kind.resource.group == "") == core]
            return _aggregated(chosen, backend.registry.groups(), aggregated)
        return _json(_API_VERSIONS if core else _groups(backend.registry.groups()))
    group, version = ("", parts[1]) if parts[0] == "api" else (parts[1], "/".join(parts[2:]))
    if parts[0] == "apis" and not version:
        versions = backend.registry.groups().get(group)
        if versions is None:
            raise unknown_path()
        return _json({"kind": "APIGroup", "apiVersion": "v1", **_group(group, versions)})
    here = [k for k in kinds if (k.resource.group, k.resource.version) == (group, version)]
    if not here:
        raise no_such_path() if backend.registry.is_built_in(group) else unknown_path()
    return _json(_resources(here))


def version(backend: Backend) -> ApiResponse:
    """Answer `/version`; the end of gitVersion says that this is a simulation.

    A semantic version has one `+` only; what follows it is a list with dots.
    """
    number = backend.identity.kubernetes
    mark = ".simulated" if "+" in number else "+simulated"
    major, minor = number.split(".")[:2]
    told = {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{number}{mark}",
        "gitCommit": "0" * 40,
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "none",
        "platform": "linux/amd64",
    }
    return _json(told)


_API_VERSIONS: RawObject = {
    "kind": "APIVersions",
    "versions": ["v1"],
    "serverAddressByClientCIDRs": [],
}


def _json(value: RawObject) -> ApiResponse:
    return ApiResponse(200, msgspec.json.encode(value))


def _group(name: str, versions: list[str]) -> RawObject:
    listed = [{"groupVersion": f"{name}/{v}", "version": v} for v in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _groups(groups: dict[str, list[str]]) -> RawObject:
    listed = [_group(name, versions) for name, versions in groups.items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def _resources(kinds: list[ServedKind]) -> RawObject:
    listed: list[RawObject] = []
    for kind in sorted(kinds, key=lambda k: k.resource.plural):
        resource = kind.resource
        entry: RawObject = {
            "name": resource.plural,
            "singularName": singular(kind),
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": list(kind.verbs),
        }
        if kind.short_names:
            entry["shortNames"] = list(kind.short_names)
        if kind.categories:
            entry["categories"] = list(kind.categories)
        listed.append(entry)
        for part in kind.subresources:
            group, version_, name = _part_kind(kind, part)
            below = {
                "name": f"{resource.plural}/{part}",
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": name,
                "verbs": list(PART_VERBS[part]),
            }
            if group not in {"", resource.group}:
                below |= {"group": group, "version": version_}
            listed.append(below)
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": kinds[0].resource.api_version,
        "resources": listed,
    }


def singular(kind: ServedKind) -> str:
    """Return the singular name of a kind."""
    return kind.singular or kind.resource.kind.lower()


def _part_kind(kind: ServedKind, part: str) -> tuple[str, str, str]:
    resource = kind.resource
    return _PART_KINDS.get(part, (resource.group, resource.version, resource.kind))


def _aggregated_version(request: ApiRequest) -> str:
    """Return the version of aggregated discovery that the client asks for, empty for none."""
    for choice in request.headers.get("accept", "").split(","):
        if f"g={_AGGREGATED}" in choice and choice.strip().startswith(JSON):
            return "v2beta1" if "v=v2beta1" in choice else "v2"
    return ""


def _aggregated(
    kinds: Iterable[ServedKind], groups: dict[str, list[str]], version_: str
) -> ApiResponse:
    order = {(g, v): i for g, versions in groups.items() for i, v in enumerate(versions)}

    def place(kind: ServedKind) -> tuple[str, int]:
        group, name = kind.resource.group, kind.resource.version
        return group, order.get((group, name), 0)

    items = []
    for group, members in groupby(sorted(kinds, key=place), key=lambda k: k.resource.group):
        versions = [
            {
                "version": name,
                "freshness": "Current",
                "resources": [_aggregated_kind(kind) for kind in parts],
            }
            for name, parts in groupby(members, key=lambda k: k.resource.version)
        ]
        items.append({"metadata": {"name": group, "creationTimestamp": None}, "versions": versions})
    told = {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"{_AGGREGATED}/{version_}",
        "metadata": {},
        "items": items,
    }
    content = f"{JSON};g={_AGGREGATED};v={version_};as=APIGroupDiscoveryList"
    return ApiResponse(200, msgspec.json.encode(told), content)


def _aggregated_kind(kind: ServedKind) -> RawObject:
    resource = kind.resource
    scope = "Namespaced" if resource.namespaced else "Cluster"
    told: RawObject = {
        "resource": resource.plural,
        "responseKind": _response_kind(resource.group, resource.version, resource.kind),
        "scope": scope,
        "singularResource": singular(kind),
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        told["shortNames"] = list(kind.short_names)
    if kind.categories:
        told["categories"] = list(kind.categories)
    if kind.subresources:
        told["subresources"] = [
            {
                "subresource": part,
                "responseKind": _response_kind(*_part_kind(kind, part)),
                "verbs": list(PART_VERBS[part]),
            }
            for part in kind.subresources
        ]
    return told


def _response_kind(group: str, version_: str, kind: str) -> RawObject:
    return {"group": group, "version": version_, "kind": kind}
