"""Files: what a rendered MachineConfig writes, and what a container sees of them. Pure."""

import base64
import gzip
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from oc_gpu.kube import RawObject

_FROM_HOST = ("/etc/pki/entitlement/", "/etc/rhsm/")

Sources = Mapping[tuple[str, str], RawObject]
"""Secrets and ConfigMaps of the pod's namespace, by (kind, name)."""


def files_of(machine_config: RawObject) -> dict[str, bytes]:
    """Return path -> content of the files in a MachineConfig, Ignition 2 and 3 alike."""
    config = (machine_config.get("spec") or {}).get("config") or {}
    files = (config.get("storage") or {}).get("files") or []
    return {f["path"]: _content(f.get("contents") or {}) for f in files}


def _content(contents: Mapping[str, Any]) -> bytes:
    source = str(contents.get("source") or "data:,")
    header, _, payload = source.partition(",")
    raw = base64.b64decode(payload) if header.endswith(";base64") else unquote_to_bytes(payload)
    return gzip.decompress(raw) if contents.get("compression") == "gzip" else raw


def missing_sources(pod: RawObject, sources: Sources) -> dict[str, str]:
    """Return volume name -> complaint for Secrets and ConfigMaps that a pod mounts but are not."""
    missing = {}
    for volume in pod["spec"].get("volumes") or []:
        kind, name, optional = _source_of(volume)
        if kind and not optional and (kind, name) not in sources:
            missing[volume["name"]] = f'{kind.lower()} "{name}" not found'
    return missing


def _source_of(volume: Mapping[str, Any]) -> tuple[str, str, bool]:
    if secret := volume.get("secret"):
        return "Secret", secret.get("secretName", ""), bool(secret.get("optional"))
    if config_map := volume.get("configMap"):
        return "ConfigMap", config_map.get("name", ""), bool(config_map.get("optional"))
    return "", "", True


def seen_by(
    container: RawObject, pod: RawObject, sources: Sources, node_files: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Return path -> content as a container sees it.

    CRI-O shows every container the host's entitlement and rhsm folders; what the pod mounts there
    hides them.
    """
    seen = {p: c for p, c in node_files.items() if p.startswith(_FROM_HOST)}
    volumes = {v["name"]: v for v in pod["spec"].get("volumes") or []}
    for mount in container.get("volumeMounts") or []:
        volume = volumes.get(mount["name"], {})
        if not (volume.get("hostPath") or _source_of(volume)[0]):
            continue
        target = mount["mountPath"].rstrip("/")
        inside = _volume_files(volume, sources, node_files)
        if sub := mount.get("subPath"):
            seen |= {target: inside[sub]} if sub in inside else {}
            continue
        seen = {p: c for p, c in seen.items() if not p.startswith(f"{target}/")}
        seen |= {f"{target}/{p}": c for p, c in inside.items()}
    return seen


def _volume_files(
    volume: Mapping[str, Any], sources: Sources, node_files: Mapping[str, bytes]
) -> dict[str, bytes]:
    if host := volume.get("hostPath"):
        root = host["path"].rstrip("/") + "/"
        return {p.removeprefix(root): c for p, c in node_files.items() if p.startswith(root)}
    kind, name, _ = _source_of(volume)
    data = data_of(sources.get((kind, name)))
    items = (volume.get("secret") or volume.get("configMap") or {}).get("items")
    if items is None:
        return data
    return {i["path"]: data[i["key"]] for i in items if i["key"] in data}


def logins_of(pod: RawObject, sources: Sources) -> frozenset[str]:
    """Return the registries for which a pod's own pull secrets have credentials."""
    found: set[str] = set()
    for reference in pod["spec"].get("imagePullSecrets") or []:
        content = data_of(sources.get(("Secret", reference.get("name", ""))))
        try:
            told = json.loads(content.get(".dockerconfigjson", b"{}"))
            found |= set(told["auths"])
        except (ValueError, KeyError, TypeError):  # of another kind, or broken: no login
            continue
    return frozenset(found)


def data_of(source: RawObject | None) -> dict[str, bytes]:
    """Return the decoded data of a Secret or ConfigMap."""
    if source is None:
        return {}
    if source.get("kind") == "Secret":
        return {k: base64.b64decode(v) for k, v in (source.get("data") or {}).items()}
    binary = {k: base64.b64decode(v) for k, v in (source.get("binaryData") or {}).items()}
    return binary | {k: v.encode() for k, v in (source.get("data") or {}).items()}
