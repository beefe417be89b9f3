"""Which kinds a server serves.

Servers since Kubernetes 1.27 answer in two requests (aggregated discovery, KEP-3352); older ones
need one for each group and version.
"""

import asyncio

from msgspec import Struct, field

from oc_gpu.kube.codec import decode
from oc_gpu.kube.errors import ApiError, Asked
from oc_gpu.kube.objects import Resource
from oc_gpu.kube.sending import Call, Sender

_AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"
    "application/json"
)


class Discovery(Struct, frozen=True):
    """The kinds of a server; each group's versions in the server's order of preference.

    Attributes:
        resources: Kinds without subresources.
        failed: Group versions that did not answer: kinds in them are unknown, not absent.
    """

    resources: tuple[Resource, ...] = ()
    failed: tuple[str, ...] = ()

    def find(self, group: str, kind: str) -> Resource | None:
        """Return a kind in its group's preferred version, None when it is not served."""
        for resource in self.resources:
            if resource.group == group and resource.kind == kind:
                return resource
        return None


class _Wire(Struct, frozen=True, rename="camel"):
    """Base of what discovery answers."""


class _Kind(_Wire, frozen=True):
    kind: str = ""


class _ResourceDiscovery(_Wire, frozen=True):
    resource: str = ""
    response_kind: _Kind = field(default_factory=_Kind)
    scope: str = "Namespaced"


class _VersionDiscovery(_Wire, frozen=True):
    version: str = ""
    resources: list[_ResourceDiscovery] = field(default_factory=list)
    freshness: str = "Current"


class _Meta(_Wire, frozen=True):
    name: str = ""


class _GroupDiscovery(_Wire, frozen=True):
    metadata: _Meta = field(default_factory=_Meta)
    versions: list[_VersionDiscovery] = field(default_factory=list)


class _GroupVersion(_Wire, frozen=True):
    group_version: str = ""
    version: str = ""


class _Group(_Wire, frozen=True):
    name: str = ""
    versions: list[_GroupVersion] = field(default_factory=list)
    preferred_version: _GroupVersion = field(default_factory=_GroupVersion)


class _Root(_Wire, frozen=True):
    """Answer of `/api` (plain versions), `/apis` (groups) or of either one aggregated."""

    kind: str = ""
    items: list[_GroupDiscovery] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    groups: list[_Group] = field(default_factory=list)


class _ApiResource(_Wire, frozen=True):
    name: str = ""
    kind: str = ""
    namespaced: bool = True


class _ApiResourceList(_Wire, frozen=True):
    resources: list[_ApiResource] | None = None


async def discover(sender: Sender) -> Discovery:
    """Ask a server for its kinds.

    Raises:
        ApiError: The server answered with an error.
    """
    found: list[Resource] = []
    failed: list[str] = []
    for part in await asyncio.gather(_root(sender, "/api"), _root(sender, "/apis")):
        found += part.resources
        failed += part.failed
    return Discovery(tuple(found), tuple(failed))


async def _root(sender: Sender, path: str) -> Discovery:
    asked = Asked("get", name=path)
    call = Call(asked, "GET", path, accept=_AGGREGATED, repeatable=True, compressed=True)
    root = decode((await sender.send(call)).body, _Root, asked)
    if root.kind == "APIGroupDiscoveryList":
        return _from_aggregated(root)
    names = [*root.versions, *(name for group in root.groups for name in _by_preference(group))]
    parts = await asyncio.gather(*(_group_version(sender, path, name) for name in names))
    return Discovery(
        tuple(resource for part in parts for resource in part.resources),
        tuple(name for part in parts for name in part.failed),
    )


def _by_preference(group: _Group) -> list[str]:
    names = [version.group_version for version in group.versions]
    return sorted(names, key=lambda name: name != group.preferred_version.group_version)


def _from_aggregated(root: _Root) -> Discovery:
    resources: list[Resource] = []
    failed: list[str] = []
    for group in root.items:
        name = group.metadata.name
        for version in group.versions:
            if version.freshness != "Current":
                failed.append(f"{name}/{version.version}" if name else version.version)
            resources += [
                Resource(
                    name,
                    version.version,
                    item.resource,
                    item.response_kind.kind,
                    item.scope == "Namespaced",
                )
                for item in version.resources
            ]
    return Discovery(tuple(resources), tuple(failed))


async def _group_version(sender: Sender, path: str, name: str) -> Discovery:
    asked = Asked("get", name=f"{path}/{name}")
    call = Call(asked, "GET", f"{path}/{name}", repeatable=True, compressed=True)
    try:
        answer = decode((await sender.send(call)).body, _ApiResourceList, asked)
    except ApiError:
        return Discovery(failed=(name,))
    group, _, version = name.rpartition("/")
    return Discovery(
        tuple(
            Resource(group, version, item.name, item.kind, item.namespaced)
            for item in answer.resources or ()
            if "/" not in item.name
        )
    )
