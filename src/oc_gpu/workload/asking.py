"""From what the user typed to a request: the script or image, what it may use, its files."""

import os
import re
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from oc_gpu.kube.errors import UsageError
from oc_gpu.manifests.jobs import SCRIPTS
from oc_gpu.snapshot.kinds import GPU

_INTERPRETERS: Mapping[str, tuple[str, ...]] = {".py": ("python3",), ".sh": ("sh",)}
_UNBUFFERED = {"PYTHONUNBUFFERED": "1"}
"""So that lines come when they are printed, and not a block at a time."""
_MOST = 900_000
"""Bytes of a script: a ConfigMap holds 1 MiB, in base64 and with what is around it."""
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
"""What a ConfigMap takes for a key."""
_PART = re.compile(r"(?:nvidia\.com/)?(mig-[0-9a-z.+-]+|gpu\.shared)")
_IMAGE = re.compile(
    r"(?:(?:localhost|[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+|[a-zA-Z0-9-]+(?=:\d))(?::\d+)?/)?"
    r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r"(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_SLUG = 40
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LABEL = re.compile(r"(?:[a-z0-9.-]+/)?[A-Za-z0-9](?:[-\w.]*[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?)?")
_QUANTITY = re.compile(r"\d+(?:\.\d+)?(?:m|k|M|G|T|Ki|Mi|Gi|Ti)?")


class Program(Struct, frozen=True):
    """What runs in the container.

    Attributes:
        title: What to call it.
        image: Image; empty leaves the choice open.
        command: What runs; empty leaves it to the image.
        scripts: The script, by its name.
        env: Variables that it runs better with.
    """

    title: str
    image: str = ""
    command: tuple[str, ...] = ()
    scripts: Mapping[str, bytes] = {}
    env: Mapping[str, str] = {}


def program(target: str, words: Sequence[str], image: str = "") -> Program:
    """Return what SCRIPT|IMAGE and the words after it mean.

    Args:
        target: A file of this machine, or an image.
        words: Arguments of the script, or the command for the image.
        image: Image for a script.

    Raises:
        UsageError: There is no such script, it cannot be read or sent, or this is no image.
    """
    if _means_file(target):
        return _script(Path(target).expanduser(), tuple(words), image)
    if image:
        message = f"two images are named: {target} and {image}"
        raise UsageError(message, hints=("--image is for scripts; name a file or one image",))
    return Program(target, checked_image(target), tuple(words))


def _means_file(target: str) -> bool:
    path = Path(target).expanduser()
    looks = path.suffix in _INTERPRETERS or target.startswith(("./", "../", "/", "~"))
    return bool(target) and (looks or path.exists())


def _script(path: Path, words: tuple[str, ...], image: str) -> Program:
    try:
        content = path.read_bytes()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        message = f"the script {path} cannot be read: {why}"
        hint = "name a file of this machine, or an image such as quay.io/team/model:1"
        raise UsageError(message, hints=(hint,)) from error
    if len(content) > _MOST:
        message = f"{path} has {len(content)} bytes, and a script may have {_MOST}"
        raise UsageError(message, hints=("put it into a folder and send that with --mount",))
    if not _KEY.fullmatch(path.name):
        message = f"a script may not be called {path.name!r}: it travels under its name"
        raise UsageError(message, hints=("use letters, digits, dots, dashes and underscores",))
    there = f"{SCRIPTS}/{path.name}"
    command = (*_interpreter(path, content), there, *words)
    chosen = checked_image(image) if image else ""
    return Program(path.name, chosen, command, {path.name: content}, _UNBUFFERED)


def _interpreter(path: Path, content: bytes) -> tuple[str, ...]:
    """Return what runs a script; one that names its interpreter itself needs none."""
    known = _INTERPRETERS.get(path.suffix)
    if known is None and not content.startswith(b"#!"):
        message = f"it cannot be told what runs {path}: it ends in neither .py nor .sh"
        raise UsageError(message, hints=("let its first line name it, such as #!/bin/bash",))
    return known or ()


def checked_image(text: str) -> str:
    """Return an image reference.

    Raises:
        UsageError: It is none.
    """
    if not _IMAGE.fullmatch(text):
        message = f"{text!r} is neither a file here nor an image"
        raise UsageError(message, hints=("an image is such as quay.io/team/model:1",))
    return text


def gpus(text: str) -> dict[str, int]:
    """Return the extended resources that `--gpus` asks for.

    >>> gpus("2"), gpus("mig-1g.5gb")
    ({'nvidia.com/gpu': 2}, {'nvidia.com/mig-1g.5gb': 1})

    Raises:
        UsageError: It is neither a number nor the name of a part of a GPU.
    """
    if text.isascii() and text.isdigit():
        return {GPU: int(text)}
    if found := _PART.fullmatch(text):
        return {f"nvidia.com/{found[1]}": 1}
    message = f"--gpus {text} is neither a number nor a part of a GPU"
    raise UsageError(message, hints=("such as --gpus 2, or --gpus mig-1g.5gb",))


def variables(given: Sequence[str]) -> dict[str, str]:
    """Return environment variables from `NAME=VALUE`; a name alone hands on this machine's.

    Raises:
        UsageError: One is neither.
    """
    found: dict[str, str] = {}
    for text in given:
        name, is_given, value = text.partition("=")
        if not _VARIABLE.fullmatch(name):
            message = f"--env needs NAME=VALUE, and {name!r} is no name of a variable"
            raise UsageError(message, hints=("such as --env EPOCHS=3",))
        if not is_given and name not in os.environ:
            message = f"--env {name} hands on a variable that is not set here"
            raise UsageError(message, hints=(f"give it a value: --env {name}=VALUE",))
        found[name] = value if is_given else os.environ[name]
    return found


def selector(given: Sequence[str]) -> dict[str, str]:
    """Return labels from `KEY=VALUE`, several with commas between them.

    Raises:
        UsageError: One is not of that form.
    """
    found: dict[str, str] = {}
    for text in (part for one in given for part in one.split(",")):
        key, equals, value = text.partition("=")
        if not (equals and _LABEL.fullmatch(key) and _LABEL_VALUE.fullmatch(value)):
            message = f"--node-selector needs KEY=VALUE, and {text!r} is not"
            raise UsageError(message, hints=("`oc get nodes --show-labels` shows the labels",))
        found[key] = value
    return found


def quantity(option: str, text: str) -> str:
    """Return an amount of cores or memory as Kubernetes writes it.

    Raises:
        UsageError: It is none.
    """
    if text and not _QUANTITY.fullmatch(text):
        message = f"{option} {text} is no amount"
        raise UsageError(message, hints=("such as --cpu 2, --cpu 500m, --memory 8Gi",))
    return text


def readable_folder(path: Path) -> Path:
    """Return a folder to send.

    Raises:
        UsageError: It is none, or cannot be read.
    """
    if not path.is_dir():
        what = "is a file, not a folder" if path.exists() else "does not exist"
        raise UsageError(f"--mount {path} {what}", hints=("name a folder of this machine",))
    if not os.access(path, os.R_OK | os.X_OK):
        raise UsageError(f"--mount {path} may not be read", hints=(f"ls -ld {path}",))
    return path


def writable_folder(path: Path) -> Path:
    """Return a folder to write to, made where it is missing: known before anything runs.

    Raises:
        UsageError: It cannot be written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        message = f"--output {path} cannot be written to: {why}; nothing was run"
        raise UsageError(message, hints=("choose another folder",)) from error


def job_name(title: str) -> str:
    """Return a name for a Job that no other has, of at most 63 letters as its pods' labels want.

    >>> job_name("Train_me.py")[:-6]
    'oc-gpu-run-train-me-'
    """
    base = title.rpartition("/")[2].partition("@")[0].partition(":")[0]
    stem = base.removesuffix(".py").removesuffix(".sh").lower()
    slug = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:_SLUG].rstrip("-")
    return "-".join(filter(None, ("oc-gpu-run", slug, secrets.token_hex(3))))
