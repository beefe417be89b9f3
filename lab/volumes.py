"""The volumes of a pod as files and folders of this machine."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.node.environment import field_of
from oc_gpu.sim.actors.node.files import Sources, data_of

TokenRequest = Callable[[Mapping[str, Any]], Awaitable[str]]
"""Asks the API server for a token of the pod's service account, as a projected volume wants it."""


class Volumes:
    """Puts a pod's volumes in place.

    Args:
        pod: The pod.
        folder: A private folder of the pod.
        host: The root of its machine's file system.
        sources: Secrets and ConfigMaps of its namespace.
        token: Gives tokens of its service account.
    """

    def __init__(
        self, pod: RawObject, folder: Path, host: Path, sources: Sources, token: TokenRequest
    ) -> None:
        self._pod = pod
        self._folder = folder
        self._host = host
        self._sources = sources
        self._token = token
        self._made: dict[str, Path] = {}

    async def mounts(self, container: RawObject) -> tuple[dict[str, str], tuple[str, ...]]:
        """Return a container's mounts, path inside -> path here, and which may be written to."""
        volumes = {v["name"]: v for v in self._pod["spec"].get("volumes") or []}
        mounts, writable = {}, []
        for mount in container.get("volumeMounts") or []:
            path = await self._path(volumes[mount["name"]])
            inside = mount["mountPath"].rstrip("/")
            mounts[inside] = str(path / mount["subPath"] if mount.get("subPath") else path)
            writable += [] if mount.get("readOnly") else [inside]
        return mounts, tuple(writable)

    async def _path(self, volume: RawObject) -> Path:
        name = volume["name"]
        if name not in self._made:
            self._made[name] = await self._make(volume)
        return self._made[name]

    async def _make(self, volume: RawObject) -> Path:
        if host := volume.get("hostPath"):
            return _existing(self._host / host["path"].lstrip("/"))
        files = await self._contents(volume)
        return _filled(self._folder / volume["name"], files)

    async def _contents(self, volume: RawObject) -> dict[str, bytes]:
        """Return the files of a volume, by path; none for one that begins empty."""
        parts = (volume.get("projected") or {}).get("sources") or [volume]
        files: dict[str, bytes] = {}
        for part in parts:
            files |= await self._part(part)
        return files

    async def _part(self, part: RawObject) -> dict[str, bytes]:
        if wanted := part.get("serviceAccountToken"):
            return {wanted["path"]: (await self._token(wanted)).encode()}
        if downward := part.get("downwardAPI"):
            return {
                i["path"]: field_of(self._pod, i["fieldRef"]["fieldPath"]).encode()
                for i in downward.get("items") or []
            }
        for kind, key in (("Secret", "secret"), ("ConfigMap", "configMap")):
            if reference := part.get(key):
                name = reference.get("secretName") or reference.get("name")
                data = data_of(self._sources.get((kind, name)))
                items = reference.get("items")
                if items is None:
                    return data
                return {i["path"]: data[i["key"]] for i in items if i["key"] in data}
        return {}


def _existing(path: Path) -> Path:
    """Return a path of the machine; the runtime makes a folder of what is not there."""
    if not path.exists():
        path.mkdir(parents=True)
    return path


def _filled(folder: Path, files: Mapping[str, bytes]) -> Path:
    folder.mkdir(parents=True, mode=0o700)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
