"""Values of the kube room: resources, lists, watch events and the results of verbs."""

from typing import Any, Generic, TypeVar
from urllib.parse import quote

from msgspec import Struct

T = TypeVar("T")

RawObject = dict[str, Any]
"""A cluster object as decoded from JSON, nothing left out."""


class Resource(Struct, frozen=True):
    """One kind of object in one API version, with what its path needs.

    Attributes:
        group: API group, empty for the core group.
        version: Version within the group.
        plural: Lower-case plural of the path.
        kind: Kind as objects carry it.
        namespaced: Whether objects live in a namespace.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """Return `version` or `group/version`, as objects carry it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """Return the URL path of the collection, an object or a subresource.

        Args:
            namespace: Namespace, None for all; ignored for cluster-scoped kinds.
            name: Object name, None for the collection.
            subresource: Such as `status` or `log`; needs a name.
        """
        parts = [f"/apis/{self.group}" if self.group else "/api", self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        parts += [quote(part, safe=":") for part in (name, subresource) if part]
        return "/".join(parts)


class ListResult(Struct, Generic[T], frozen=True):
    """All objects of a list, and the version at which it was taken."""

    items: list[T]
    resource_version: str


class Replaced(Struct, Generic[T], frozen=True):
    """The whole list, after the first list and after every relist: forget what was known."""

    items: list[T]
    resource_version: str


class Updated(Struct, Generic[T], frozen=True):
    """An object was created or changed."""

    object: T


class Deleted(Struct, Generic[T], frozen=True):
    """An object is gone; this is its last state."""

    object: T


WatchEvent = Replaced[T] | Updated[T] | Deleted[T]


class ServerVersion(Struct, frozen=True, rename="camel"):
    """What the API server says of itself at `/version`."""

    git_version: str = ""
    platform: str = ""

    @property
    def simulated(self) -> bool:
        """Tell whether this is a simulated cluster, which says so in its version."""
        _, _, build = self.git_version.partition("+")
        return "simulated" in build.split(".")


class ExecResult(Struct, frozen=True):
    """What a command in a container wrote and how it ended."""

    stdout: str
    stderr: str
    exit_code: int
