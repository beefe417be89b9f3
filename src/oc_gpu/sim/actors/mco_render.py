"""Rendering a MachineConfigPool: the MachineConfigs it selects, and what they make. Pure.

The name of a rendered MachineConfig depends on its content alone, so taking MachineConfigs away
leads back to the rendered configuration of before.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.objects import labels_of, matches, name_of, owner_reference
from oc_gpu.sim.scenario import Ignition, OpenShift

API_VERSION = "machineconfiguration.openshift.io/v1"
_GENERATED_BY = "machineconfiguration.openshift.io/generated-by-controller-version"
_RELEASE_IMAGE = "machineconfiguration.openshift.io/release-image-version"
_OLD_SPECS = ("2.0", "2.1", "2.2")


class RenderError(Exception):
    """A MachineConfig that the machine-config-operator cannot use; the text is its own."""


def selected(pool: RawObject, configs: Iterable[RawObject]) -> list[RawObject]:
    """Return the MachineConfigs of a pool by name, rendered ones left out."""
    selector = pool["spec"].get("machineConfigSelector")
    chosen = (c for c in configs if matches(selector, labels_of(c)))
    return sorted((c for c in chosen if not is_rendered(c)), key=name_of)


def is_rendered(config: RawObject) -> bool:
    """Tell whether a MachineConfig was made for a pool out of others."""
    owners = config["metadata"].get("ownerReferences") or []
    return any(o["kind"] == "MachineConfigPool" for o in owners)


def sources_of(configs: Sequence[RawObject]) -> list[RawObject]:
    """Return the references that pools keep to the parts of their configuration."""
    return [
        {"apiVersion": API_VERSION, "kind": "MachineConfig", "name": name_of(c)} for c in configs
    ]


def render(pool: RawObject, configs: Sequence[RawObject], release: OpenShift) -> RawObject:
    """Return the rendered MachineConfig of a pool.

    Args:
        pool: The MachineConfigPool.
        configs: Its MachineConfigs, by name: of two files with one path the later one wins.
        release: Which Ignition it writes and reads.

    Raises:
        RenderError: One of them cannot be used.
    """
    spec = _merged(configs, release)
    digest = hashlib.md5(msgspec.json.encode(spec, order="sorted"), usedforsecurity=False)
    return {
        "apiVersion": API_VERSION,
        "kind": "MachineConfig",
        "metadata": {
            "name": f"rendered-{name_of(pool)}-{digest.hexdigest()}",
            "annotations": {
                _GENERATED_BY: _short_hash(release.release_image),
                _RELEASE_IMAGE: release.version,
            },
            "ownerReferences": [owner_reference(pool)],
        },
        "spec": spec,
    }


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _merged(configs: Sequence[RawObject], release: OpenShift) -> RawObject:
    files: dict[str, RawObject] = {}
    units: dict[str, RawObject] = {}
    spec: RawObject = {
        "extensions": [],
        "fips": False,
        "kernelArguments": [],
        "kernelType": "",
        "osImageURL": "",
    }
    for config in configs:
        given = config["spec"]
        ignition = given.get("config") or {}
        check_ignition(ignition, release.ignition)
        for file in (ignition.get("storage") or {}).get("files") or []:
            files[file["path"]] = _native_file(file, release.ignition)
        for unit in (ignition.get("systemd") or {}).get("units") or []:
            units[unit["name"]] = {**units.get(unit["name"], {}), **unit}
        for key in ("kernelArguments", "extensions"):
            spec[key] = [*spec[key], *(given.get(key) or [])]
        for key in ("kernelType", "osImageURL"):
            spec[key] = given.get(key) or spec[key]
        spec["fips"] = spec["fips"] or bool(given.get("fips"))
    spec["config"] = {
        "ignition": {"version": release.ignition.native},
        "storage": {"files": [files[p] for p in sorted(files)]},
        "systemd": {"units": [units[n] for n in sorted(units)]},
    }
    return spec


def check_ignition(config: RawObject, ignition: Ignition) -> None:
    """Refuse an Ignition configuration that this release cannot read.

    Raises:
        RenderError: Unknown version, or a file that its version does not allow.
    """
    if not config:
        return
    version = str((config.get("ignition") or {}).get("version") or "")
    if not _accepted(version, ignition):
        raise RenderError(_unknown_version(ignition))
    for file in (config.get("storage") or {}).get("files") or []:
        _check_file(file, old=version.startswith("2."))


def _accepted(version: str, ignition: Ignition) -> bool:
    if version in ignition.accepted:
        return True
    reads_old = any(v.startswith("2.2") for v in ignition.accepted)
    return reads_old and version.rpartition(".")[0] in _OLD_SPECS


def _unknown_version(ignition: Ignition) -> str:
    if all(v.startswith("2.") for v in ignition.accepted):
        return "parsing Ignition config failed with error: unsupported config version"
    known = ", ".join(v.rpartition(".")[0] for v in ignition.accepted)
    return f"parsing Ignition config failed: unknown version. Supported spec versions: {known}"


def _check_file(file: RawObject, *, old: bool) -> None:
    path = file.get("path", "")
    if not str(path).startswith("/"):
        msg = f"parsing Ignition config failed: path not absolute: {path!r}"
        raise RenderError(msg)
    mode = file.get("mode")
    if mode is not None and not isinstance(mode, int):
        msg = "parsing Ignition config failed: cannot unmarshal string into field mode of type int"
        raise RenderError(msg)
    if old and not file.get("filesystem"):
        msg = f"parsing Ignition config failed: no filesystem specified for file {path}"
        raise RenderError(msg)


def _native_file(file: RawObject, ignition: Ignition) -> RawObject:
    """Return a file entry in the version that this release writes."""
    entry: dict[str, Any] = dict(file)
    if ignition.native.startswith("2."):
        return entry
    if entry.pop("filesystem", None) is not None:
        entry.setdefault("overwrite", True)
    contents = {k: v for k, v in (entry.get("contents") or {}).items() if v not in ({}, "")}
    return {**entry, "contents": contents}
