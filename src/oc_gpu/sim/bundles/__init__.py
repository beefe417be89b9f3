"""Operator bundles as data: what a catalog offers, and what each operator makes of its resource.

A bundle is what OLM installs; `examples` are its alm-examples as shipped, fields that the bundle's
own CRD refuses included. An operand table is what the GPU Operator creates. README.md names the
sources.
"""

from functools import lru_cache
from importlib import resources
from typing import TypeVar

import msgspec
from msgspec import Struct

from oc_gpu.kube import RawObject
from oc_gpu.kube.errors import ConfigError
from oc_gpu.sim.scenario import Catalog, Package, Scenario

_T = TypeVar("_T")
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


class Service(Struct, frozen=True):
    """A Service beside an operand."""

    name: str
    port: int


class Operand(Struct, frozen=True, rename="camel"):
    """One workload that the GPU Operator makes.

    Attributes:
        state: The operator's name for the step.
        component: Key in the ClusterPolicy's spec.
        image: Variable of the operator's environment that holds the default image.
        object: The workload; `$(NAME)` is filled in.
        config_maps: ConfigMaps that its pods mount.
        tolerations: Of releases that set them per operand.
        kind: DaemonSet, or Pod for one-shot checks.
    """

    state: str
    component: str
    image: str
    object: RawObject
    config_maps: tuple[str, ...] = ()
    tolerations: tuple[dict[str, str], ...] = ()
    kind: str = "DaemonSet"


class OperandTable(Struct, frozen=True, rename="camel"):
    """How one line of GPU Operator releases behaves.

    Attributes:
        version: Release line, for instance 25.10.
        namespace: Fixed namespace of the operands; empty for the operator's own.
        one_by_one: Whether a step begins only when the one before is ready.
        conditions: Whether status.conditions are kept.
        proxy: Whether the cluster's proxy is put into the driver container by itself.
        driver_toolkit: Whether drivers are built in the Driver Toolkit.
        common_tolerations: Whether spec.daemonsets.tolerations replaces the default.
        runtime_class: RuntimeClass that is created.
        deploy_labels: Components of the nvidia.com/gpu.deploy.* labels.
        services: Services beside the operands.
        operands: In the order in which they are created.
    """

    version: str
    namespace: str
    one_by_one: bool
    conditions: bool
    proxy: bool
    driver_toolkit: bool
    common_tolerations: bool
    runtime_class: str | None
    deploy_labels: tuple[str, ...]
    services: tuple[Service, ...]
    operands: tuple[Operand, ...]


@lru_cache
def load(identifier: str) -> Bundle:
    """Return a bundle by the name that scenarios give it.

    Raises:
        ConfigError: There is no such bundle.
    """
    return _read(f"{identifier}.json", Bundle, f"bundle {identifier!r}")


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


@lru_cache
def operands(version: str) -> OperandTable:
    """Return the operand table for a version of the GPU Operator.

    Raises:
        ConfigError: The simulator does not know this release line.
    """
    line = ".".join(version.split(".")[:2])
    what = f"operand table of GPU Operator {line}"
    return _read(f"operands/gpu-operator.v{line}.json", OperandTable, what)


def _read(path: str, kind: type[_T], what: str) -> _T:
    try:
        data = _FOLDER.joinpath(path).read_bytes()
    except FileNotFoundError:
        known = sorted(f.name[:-5] for f in _FOLDER.iterdir() if f.name.endswith(".json"))
        msg = f"the simulator has no {what}"
        raise ConfigError(msg, hints=(f"known bundles: {', '.join(known)}",)) from None
    return msgspec.json.decode(data, type=kind)
