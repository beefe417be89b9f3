"""From a path to what is asked for."""

from msgspec import Struct

from oc_gpu.sim.api.access import Attempt
from oc_gpu.sim.api.errors import method_not_allowed, no_such_path, unknown_path
from oc_gpu.sim.api.kinds import PART_VERBS, ServedKind
from oc_gpu.sim.api.messages import ApiRequest, StatusError
from oc_gpu.sim.api.registry import Registry


class Call(Struct, frozen=True):
    """A request for objects of a kind."""

    request: ApiRequest
    kind: ServedKind
    verb: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    path: str = ""
    """What follows the subresource `proxy`: a path of the kubelet's own API."""

    @property
    def attempt(self) -> Attempt:
        """Return what rights are checked for."""
        return Attempt(
            self.request.user,
            self.verb,
            self.kind.resource,
            self.subresource,
            self.namespace,
            self.name or self._selected,
        )

    @property
    def _selected(self) -> str:
        """Return the one name that a list or watch is limited to: it counts as its name."""
        key, _, value = self.request.params.get("fieldSelector", "").partition("=")
        return value if key == "metadata.name" else ""


def route(registry: Registry, request: ApiRequest) -> Call:
    """Return what a resource path and method ask for.

    Raises:
        StatusError: 404, the path is not served; 405, the method is not.
    """
    parts = request.path.strip("/").split("/")
    if parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    else:
        group, version, rest = parts[1], parts[2], parts[3:]
    namespace = ""
    if len(rest) >= 3 and rest[0] == "namespaces" and not _is_part(registry, group, rest[2]):  # noqa: PLR2004
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource, *beyond = (*rest, "", "", "")
    kind = registry.find(group, version, plural)
    path = "/".join(beyond).strip("/")
    lost = bool(path) and subresource != "proxy"
    if kind is None or lost or (subresource and subresource not in kind.subresources):
        raise _nothing_there(registry, group)
    namespaced = kind.resource.namespaced
    if (namespace and not namespaced) or (name and namespaced and not namespace):
        raise _nothing_there(registry, group)
    verb = _verb(request, name, subresource)
    everywhere = namespaced and not namespace and verb not in {"list", "watch"}
    if everywhere or verb not in (PART_VERBS[subresource] if subresource else kind.verbs):
        raise method_not_allowed() if kind.native or not everywhere else unknown_path()
    return Call(request, kind, verb, namespace, name, subresource, path)


def _nothing_there(registry: Registry, group: str) -> StatusError:
    return no_such_path() if registry.is_built_in(group) else unknown_path()


def _is_part(registry: Registry, group: str, word: str) -> bool:
    namespaces = registry.find("", "v1", "namespaces")
    return not group and namespaces is not None and word in namespaces.subresources


def _verb(request: ApiRequest, name: str, part: str) -> str:
    match request.method:
        case "GET" | "HEAD":
            if request.flag("watch"):
                return "watch"
            return "get" if name else "list"
        case "POST" if not name or part:
            return "create"
        case "PUT" if name:
            return "update"
        case "PATCH" if name:
            return "patch"
        case "DELETE":
            return "delete" if name else "deletecollection"
    raise method_not_allowed()
