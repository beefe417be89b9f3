"""Operator bundles as data: what a catalog offers, and what each operator makes of its resource.

A bundle is what OLM installs; `examples` are its alm-examples as shipped, fields that the bundle's
own CRD refuses included. README.md names the sources. What the GPU Operator makes of its resource
is in `tables`.
"""

from functools import lru_cache
from importlib import resources

import msgspec
from msgspec import Struct

from oc_gpu.kube import RawObject
from oc_gpu.kube.errors import ConfigError
from oc_gpu.sim.bundles.tables import Operand, OperandTable, operands
from oc_gpu.sim.scenario import Catalog, Package, Scenario

__all__ = ["Bundle", "Operand", "OperandTable", "by_csv", "load", "operands", "package_of"]

_FOLDER = resources.files(__name__)


class OwnedCrd(Struct, frozen=True):
    """A kind that a CSV brings along."""

    name: str
    kind: str
    version: str

    @property
    def group(self) -> str:
        """Return the API group, which follows the plural in the CRD's name."""
        return self.name.partition(".")[2]


class CsvData(Struct, frozen=True):
    """The parts of a ClusterServiceVersion that come from the bundle."""

    name: str
    annotations: dict[str, str]
    labels: dict[str, str]
    spec: RawObject


class Bundle(Struct, frozen=True):
    """One version of one operator, as it lies in a catalog."""

    package: str
    csv: CsvData
    examples: tuple[RawObject, ...]
    manifests: tuple[RawObject, ...]
    crds: tuple[RawObject, ...]

    @property
    def name(self) -> str:
        """Return the name of the ClusterServiceVersion."""
        return self.csv.name

    @property
    def version(self) -> str:
        """Return the version that the CSV states."""
        return str(self.csv.spec["version"])

    @property
    def owned(self) -> tuple[OwnedCrd, ...]:
        """Return the kinds that the CSV says it owns."""
        return msgspec.convert(
            self.csv.spec["customresourcedefinitions"]["owned"], tuple[OwnedCrd, ...]
        )

    @property
    def install_modes(self) -> frozenset[str]:
        """Return the supported install modes."""
        return frozenset(m["type"] for m in self.csv.spec["installModes"] if m["supported"])

    @property
    def annotations(self) -> dict[str, str]:
        """Return the CSV's annotations with the examples as the JSON text that they are."""
        text = msgspec.json.format(msgspec.json.encode(self.examples), indent=2)
        return {"alm-examples": text.decode(), **self.csv.annotations}


@lru_cache
def load(identifier: str) -> Bundle:
    """Return a bundle by the name that scenarios give it.

    Raises:
        ConfigError: There is no such bundle.
    """
    try:
        data = _FOLDER.joinpath(f"{identifier}.json").read_bytes()
    except FileNotFoundError:
        known = sorted(f.name[:-5] for f in _FOLDER.iterdir() if f.name.endswith(".json"))
        msg = f"the simulator has no bundle {identifier!r}"
        raise ConfigError(msg, hints=(f"known bundles: {', '.join(known)}",)) from None
    return msgspec.json.decode(data, type=Bundle)


def by_csv(scenario: Scenario, csv: str) -> Bundle | None:
    """Return the bundle of a ClusterServiceVersion by its name."""
    for catalog in scenario.catalogs:
        for package in catalog.packages:
            for names in package.channels.values():
                found = next((b for b in map(load, names) if b.name == csv), None)
                if found is not None:
                    return found
    return None


def package_of(scenario: Scenario, catalog: str, name: str) -> tuple[Catalog, Package] | None:
    """Return a package of a catalog."""
    for entry in scenario.catalogs:
        for package in entry.packages:
            if (entry.name, package.name) == (catalog, name):
                return entry, package
    return None
