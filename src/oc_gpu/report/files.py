"""The road as plain files: one object each, numbered in the order in which to apply them."""

import base64
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from oc_gpu.kube import RawObject
from oc_gpu.kube.errors import UsageError, without_credentials
from oc_gpu.manifests.licence import TOKEN
from oc_gpu.report.output import Encoding, Form, encode
from oc_gpu.stages.model import Apply, Patch, StagePlan

HIDDEN = "(not shown; --output-dir writes it)"
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")
_PRIVATE = 0o600


class File(Struct, frozen=True):
    """A file to write: its name, and the object in it."""

    name: str
    manifest: RawObject


def files(plans: Iterable[StagePlan], form: Form = "text") -> tuple[File, ...]:
    """Return the objects that the stages apply, in order.

    Args:
        plans: The stages.
        form: What the files hold: YAML, the text that `kubectl apply` takes, or JSON.
    """
    ending = "json" if form == "json" else "yaml"
    wanted = [
        (plan.name, action)
        for plan in plans
        for milestone in plan.milestones
        for action in milestone.actions
        if isinstance(action, Apply)
    ]
    digits = max(2, len(str(len(wanted))))
    return tuple(
        File(f"{number:0{digits}}-{stage}-{_slug(action)}.{ending}", action.manifest)
        for number, (stage, action) in enumerate(wanted, 1)
    )


def _slug(action: Apply) -> str:
    ref = action.ref
    return _UNSAFE.sub("-", f"{ref.resource.kind.lower()}-{ref.name}")


def patches(plans: Iterable[StagePlan]) -> tuple[str, ...]:
    """Return the changes of existing objects, which no file can hold: what and why."""
    return tuple(
        f"{action.ref}: {action.why}"
        for plan in plans
        for milestone in plan.milestones
        for action in milestone.actions
        if isinstance(action, Patch) and not action.holds
    )


def write(folder: Path, made: Iterable[File]) -> None:
    """Write the files for this user's eyes only: some hold the entitlement's key.

    Raises:
        UsageError: A file cannot be written, or the folder holds something already: files of
            another cluster or an earlier day would be taken for part of this road.
    """
    if folder.is_dir() and any(folder.iterdir()):
        message = f"{folder} is not empty, and old files would mix with the new ones"
        raise UsageError(message, hints=("name a new folder, or empty this one",))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in made:
            form: Encoding = "json" if file.name.endswith(".json") else "yaml"
            _write(folder / file.name, encode(file.manifest, form))
    except OSError as error:
        message = f"cannot write to {folder}: {(error.strerror or str(error)).lower()}"
        raise UsageError(message, hints=("choose another --output-dir",)) from error


def require_writable(path: Path) -> None:
    """Make sure that a file can be written, before the work whose result it is to hold.

    Raises:
        UsageError: It cannot.
    """
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", hints=("create it, or name another",))
    try:
        # Trying is the only sure way: permissions do not tell of file systems and attributes.
        existed = path.exists()
        path.open("ab").close()
        if not existed:
            path.unlink()
    except OSError as error:
        message = f"cannot write {path}: {(error.strerror or str(error)).lower()}"
        raise UsageError(message, hints=("choose another path",)) from error


def write_text(path: Path, text: str) -> None:
    """Write a text that anybody may read.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        message = f"cannot write {path}: {(error.strerror or str(error)).lower()}"
        raise UsageError(message, hints=("choose another path",)) from error


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files that anybody may read into a folder, which is made where it is missing.

    Raises:
        UsageError: One cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        message = f"cannot write to {folder}: {(error.strerror or str(error)).lower()}"
        raise UsageError(message, hints=("choose another folder",)) from error


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        os.fchmod(handle, _PRIVATE)
        stream.write(text)


def stdout_text(made: Iterable[File], form: Form = "text") -> Iterator[str]:
    """Yield the objects without anything secret: a stream of YAML documents, or a List in JSON."""
    if form == "json":
        items = [without_secrets(file.manifest) for file in made]
        yield encode({"apiVersion": "v1", "kind": "List", "items": items}, "json")
        return
    for file in made:
        yield f"---\n# {file.name}\n{encode(without_secrets(file.manifest), 'yaml')}"


def without_secrets(manifest: RawObject) -> RawObject:
    """Return an object without data of Secrets, keys in files, tokens and passwords in URLs."""
    shown = {key: _cleaned(value) for key, value in manifest.items()}
    if manifest.get("kind") == "Secret":
        for part in ("data", "stringData"):
            if part in shown:
                shown[part] = dict.fromkeys(shown[part], HIDDEN)
    if TOKEN in (shown.get("data") or {}):
        shown["data"] = {**shown["data"], TOKEN: HIDDEN}
    return shown


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cleaned(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(inner) for inner in value]
    if not isinstance(value, str):
        return value
    return HIDDEN if _is_secret(value) else without_credentials(value)


def _is_secret(value: str) -> bool:
    return b"-----BEGIN" in _content(value)


def _content(value: str) -> bytes:
    """Return what a text stands for: the content of a data URL (RFC 2397), or itself."""
    head, comma, data = value.partition(",")
    if not (comma and head.startswith("data:")):
        return value.encode()
    if not head.endswith(";base64"):
        return unquote_to_bytes(data)
    try:
        return base64.b64decode(data)
    except ValueError:
        return data.encode()
