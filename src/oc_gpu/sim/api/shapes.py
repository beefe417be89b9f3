"""How lists and maps merge: as a whole, by key, or as sets.

Custom resources say it in their schema; built-in kinds do in the API's own definition, of which
the table here is the part that concerns kinds served by this simulator. Taints, tolerations,
commands and everything else that is not named is replaced as a whole.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, Protocol

from msgspec import Struct

ListType = Literal["atomic", "set", "map"]


class Shape(Protocol):
    """What is known about the value at one place of an object."""

    @property
    def atomic_map(self) -> bool:
        """Tell whether a map here is replaced as a whole."""

    @property
    def list_type(self) -> ListType:
        """Tell how a list here merges."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the fields that identify the items of a `map` list."""

    @property
    def key_defaults(self) -> Mapping[str, Any]:
        """Return the values that missing key fields stand for."""

    @property
    def free_keys(self) -> bool:
        """Tell whether a map here has keys of the user's choice, as labels have."""

    def child(self, key: str) -> "Shape":
        """Return the shape below a field."""

    def items(self) -> "Shape":
        """Return the shape of a list's items."""


_BY_KEY: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "secrets": ("name",),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "conditions": ("type",),
    "addresses": ("type",),
    "ownerReferences": ("uid",),
    "hostAliases": ("ip",),
    "podIPs": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
_PORTS = {True: ("containerPort", "protocol"), False: ("port", "protocol")}
_IN_CONTAINERS = frozenset({"containers", "initContainers", "ephemeralContainers"})
_SETS = frozenset({("metadata", "finalizers")})
_ATOMIC_MAPS = frozenset(
    {
        "selector",
        "labelSelector",
        "nodeSelector",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "fieldRef",
        "resourceFieldRef",
        "secretKeyRef",
        "configMapKeyRef",
        "involvedObject",
        "roleRef",
        "scopeSelector",
    }
)
_FREE_KEYS = frozenset(
    {
        "labels",
        "annotations",
        "data",
        "binaryData",
        "stringData",
        "limits",
        "requests",
        "capacity",
        "allocatable",
    }
)
_NO_DEFAULTS: Mapping[str, Any] = {}
_TCP: Mapping[str, Any] = {"protocol": "TCP"}


class Native(Struct, frozen=True):
    """A place in an object of a built-in kind, known by its own name and its parent's."""

    parent: str = ""
    name: str = ""

    @property
    def atomic_map(self) -> bool:
        """Tell whether a map here is replaced as a whole."""
        return self.name in _ATOMIC_MAPS

    @property
    def list_type(self) -> ListType:
        """Tell how a list here merges."""
        if (self.parent, self.name) in _SETS:
            return "set"
        return "map" if self.keys else "atomic"

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the fields that identify the items of a `map` list."""
        if self.name == "ports":
            return _PORTS[self.parent in _IN_CONTAINERS]
        return _BY_KEY.get(self.name, ())

    @property
    def key_defaults(self) -> Mapping[str, Any]:
        """Return the values that missing key fields stand for."""
        return _TCP if self.name == "ports" else _NO_DEFAULTS

    @property
    def free_keys(self) -> bool:
        """Tell whether a map here has keys of the user's choice."""
        return self.name in _FREE_KEYS

    def child(self, key: str) -> "Shape":
        """Return the shape below a field."""
        return _native(self.name, key)

    def items(self) -> "Shape":
        """Return the shape of a list's items, which know the list's name as theirs."""
        return self


@lru_cache(maxsize=4096)
def _native(parent: str, name: str) -> Native:
    return Native(parent, name)


class Open(Struct, frozen=True):
    """A place nothing is known about: maps merge, lists are replaced.

    Attributes:
        free_keys: Whether its maps count as having keys of the user's choice.
    """

    free_keys: bool = False

    @property
    def atomic_map(self) -> bool:
        """Tell that maps merge."""
        return False

    @property
    def list_type(self) -> ListType:
        """Tell that lists are replaced."""
        return "atomic"

    @property
    def keys(self) -> tuple[str, ...]:
        """Return no keys."""
        return ()

    @property
    def key_defaults(self) -> Mapping[str, Any]:
        """Return no defaults."""
        return _NO_DEFAULTS

    def child(self, key: str) -> Shape:
        """Return the shape below a field; metadata is the same for all kinds."""
        return _native("", "metadata") if key == "metadata" and not self.free_keys else self

    def items(self) -> Shape:
        """Return the shape of a list's items."""
        return self


NATIVE = Native()
OPEN = Open()
FREE = Open(free_keys=True)
"""Below a field whose schema keeps what it does not know."""
