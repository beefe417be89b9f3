"""Older definitions beside the current ones on one server: each in an API group of its own. Pure.

A definition of the reference with the group `nvidia.com` and the release 1.7.1 becomes one with the
group `r1-7-1.nvidia.com`, and so do the objects that are for that release. Nothing else changes.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from oc_gpu.kube import RawObject

_UNSAFE: Final = re.compile(r"[^a-z0-9]+")


def group_of(release: str, group: str) -> str:
    """Return the API group in which the definitions of a release are kept."""
    return f"r{_UNSAFE.sub('-', release.lower())}.{group}"


def definition(crd: RawObject, release: str) -> RawObject:
    """Return a definition in the group of a release; `v1beta1` ones are written as `v1`."""
    spec = crd["spec"]
    group, names = group_of(release, spec["group"]), spec["names"]
    shared = (spec.get("validation") or {}).get("openAPIV3Schema")
    versions = spec.get("versions") or [{"name": spec["version"], "served": True, "storage": True}]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{group}"},
        "spec": {
            "group": group,
            "names": names,
            "scope": spec["scope"],
            "versions": [_version(version, shared) for version in versions],
        },
    }


def _version(version: Mapping[str, Any], shared: RawObject | None) -> RawObject:
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or shared or {"type": "object"}
    kept = {key: version[key] for key in ("name", "served", "storage")}
    return {**kept, "schema": {"openAPIV3Schema": schema}}


def moved(manifest: RawObject, release: str) -> RawObject:
    """Return an object as one of the group of a release."""
    group, _, version = str(manifest["apiVersion"]).partition("/")
    return {**manifest, "apiVersion": f"{group_of(release, group)}/{version}"}
