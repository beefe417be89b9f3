"""What the GPU Operator makes of a ClusterPolicy, as data per line of releases.

A table holds from its release on, up to the next one. It is written in full, or as what differs
from the table that it names as its base.
"""

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

import msgspec
from msgspec import Struct, field

from oc_gpu.kube import RawObject
from oc_gpu.kube.errors import ConfigError

_FOLDER = resources.files("oc_gpu.sim.bundles") / "operands"
_STEM = "gpu-operator.v"


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
        creates_namespace: Whether the operator makes that namespace.
        one_by_one: Whether a step begins only when the one before is ready.
        conditions: Whether status.conditions are kept.
        proxy: Whether the cluster's proxy is put into the driver container by itself.
        driver_toolkit: Whether drivers are built in the Driver Toolkit.
        common_tolerations: Whether spec.daemonsets.tolerations replaces the default.
        runtime_class: RuntimeClass that is created.
        deploy_labels: Components of the nvidia.com/gpu.deploy.* labels.
        services: Services beside the operands.
        operands: In the order in which they are created.
        tells_not_ready: Whether the status says `notReady` until it is ready.
        major_tag: Whether tags of driver images end in the major release of RHEL only.
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
    creates_namespace: bool = False
    tells_not_ready: bool = True
    major_tag: bool = False


class _Difference(Struct, frozen=True, forbid_unknown_fields=True):
    """A table as what differs from another one.

    Attributes:
        version: First release that it holds for.
        base: The release whose table is taken.
        fields: Fields of the table that are different.
        without: Operands that are not there, by the name of their workload.
        changes: Changed parts of operands by the same names; null takes a part away.
    """

    version: str
    base: str
    fields: dict[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    changes: dict[str, RawObject] = field(default_factory=dict)


@lru_cache
def operands(version: str) -> OperandTable:
    """Return the operand table for a version of the GPU Operator.

    Raises:
        ConfigError: The simulator knows no release as old as this one.
    """
    known = sorted((_numbers(name), name) for name in _names())
    fitting = [name for numbers, name in known if numbers <= _numbers(version)]
    if not fitting:
        msg = f"the simulator has no operand table of GPU Operator {version}"
        raise ConfigError(msg, hints=(f"the oldest is that of {known[0][1]}",))
    return msgspec.convert(_document(fitting[-1]), OperandTable)


def _names() -> list[str]:
    """Return the releases that have a table."""
    return [f.name[len(_STEM) : -len(".json")] for f in _FOLDER.iterdir() if _STEM in f.name]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def _document(name: str) -> RawObject:
    """Return a table as a document, put together from its base where it names one."""
    document: RawObject = msgspec.json.decode((_FOLDER / f"{_STEM}{name}.json").read_bytes())
    if "base" not in document:
        return document
    change = msgspec.convert(document, _Difference)
    base = _document(change.base)
    made = [
        _merged(operand, change.changes.get(_workload(operand), {}))
        for operand in base["operands"]
        if _workload(operand) not in change.without
    ]
    return {**base, **change.fields, "version": change.version, "operands": made}


def _workload(operand: RawObject) -> str:
    return str(operand["object"]["metadata"]["name"])


def _merged(value: RawObject, change: Mapping[str, Any]) -> RawObject:
    """Return a JSON merge patch applied to a value."""
    made = {key: old for key, old in value.items() if change.get(key, old) is not None}
    for key, new in change.items():
        if isinstance(new, dict):
            made[key] = _merged(made.get(key) or {}, new)
        elif new is not None:
            made[key] = new
    return made
