"""What is served right now: the built-in kinds and those of installed definitions."""

from collections.abc import Iterable

from oc_gpu.sim.api.kinds import BUILT_IN, ServedKind
from oc_gpu.sim.api.store import KindKey

_Version = tuple[str, str, str]


class Registry:
    """The served kinds by group, version and plural."""

    def __init__(self, kinds: Iterable[ServedKind] = BUILT_IN) -> None:
        self.revision = 0
        self._kinds: dict[_Version, ServedKind] = {}
        self._built_in: frozenset[KindKey] = frozenset()
        for kind in kinds:
            self._kinds[self._place(kind)] = kind
        self._built_in = frozenset(kind.key for kind in self._kinds.values())

    @staticmethod
    def _place(kind: ServedKind) -> _Version:
        return (kind.resource.group, kind.resource.version, kind.resource.plural)

    def find(self, group: str, version: str, plural: str) -> ServedKind | None:
        """Return a kind by what stands in paths."""
        return self._kinds.get((group, version, plural))

    def find_kind(self, api_version: str, kind: str) -> ServedKind | None:
        """Return a kind by what stands in objects."""
        for served in self._kinds.values():
            if served.resource.kind == kind and served.resource.api_version == api_version:
                return served
        return None

    def by_key(self, key: KindKey) -> ServedKind | None:
        """Return one version of a kind by its group and plural."""
        return next((kind for kind in self._kinds.values() if kind.key == key), None)

    def is_built_in(self, group: str) -> bool:
        """Tell whether a group is the server's own, not one of definitions."""
        return any(kind.native and kind.resource.group == group for kind in self._kinds.values())

    def kinds(self) -> list[ServedKind]:
        """Return everything served."""
        return list(self._kinds.values())

    def replace(self, key: KindKey, kinds: Iterable[ServedKind]) -> None:
        """Serve these versions of a kind, which come from a definition, and no others."""
        self.revision += 1
        if key in self._built_in:
            return
        for place in [p for p, kind in self._kinds.items() if kind.key == key]:
            del self._kinds[place]
        for kind in kinds:
            self._kinds[self._place(kind)] = kind

    def groups(self) -> dict[str, list[str]]:
        """Return the API groups (not the core one) with their versions, preferred first."""
        found: dict[str, list[str]] = {}
        for group, version, _ in self._kinds:
            if group and version not in found.setdefault(group, []):
                found[group].append(version)
        return {group: sorted(versions, key=_rank) for group, versions in sorted(found.items())}


def _rank(version: str) -> tuple[int, str]:
    stage = 2 if "alpha" in version else 1 if "beta" in version else 0
    return stage, version
