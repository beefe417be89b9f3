"""From a file to a GpuPlatform, with everything that is wrong with it said at once."""

import re
from pathlib import Path
from typing import Any

import msgspec
import msgspec.inspect

from oc_gpu.config.document import (
    API_VERSION,
    AUTO,
    KIND,
    LAYOUT_PATTERN,
    GpuOperatorSpec,
    GpuPlatform,
)
from oc_gpu.config.taints import parse_taint
from oc_gpu.kube.errors import ConfigError, UsageError
from oc_gpu.kube.mistakes import Mistake, explain, find_mistakes, listed

MAX_BYTES = 1_000_000
"""Far more than any document needs; larger files are some other file."""
MAX_VALUES = 100_000
"""Values of a document once its YAML aliases are followed."""
MAX_DEPTH = 64
"""Values within values; an alias to itself has no end."""

_HINTS = (
    "`oc-gpu config init` writes a document with every field explained",
    "`oc-gpu config schema` prints the schema for editors",
)


class InvalidDocumentError(ConfigError):
    """A GpuPlatform document has mistakes.

    Attributes:
        mistakes: All of them.
    """

    def __init__(self, name: str, mistakes: tuple[Mistake, ...]) -> None:
        self.mistakes = mistakes
        super().__init__(f"{name}: {listed(mistakes)}", hints=_HINTS)


def load(path: str | Path) -> GpuPlatform:
    """Return the document in a YAML or JSON file; an empty file is one.

    A relative path in it is taken from the document's folder.

    Raises:
        ConfigError: The file cannot be read.
        InvalidDocumentError: It has mistakes; all of them are named.
    """
    file = Path(path)
    document = parse(_read(file), name=str(path))
    spec = document.spec
    entitlement = msgspec.structs.replace(
        spec.entitlement, file=_placed(file, spec.entitlement.file)
    )
    spec = msgspec.structs.replace(
        spec, entitlement=entitlement, gpu_operator=_with_files(file, spec.gpu_operator)
    )
    return msgspec.structs.replace(document, spec=spec)


def _with_files(file: Path, operator: GpuOperatorSpec) -> GpuOperatorSpec:
    vgpu = msgspec.structs.replace(
        operator.vgpu,
        token=_placed(file, operator.vgpu.token),
        gridd_conf=_placed(file, operator.vgpu.gridd_conf),
    )
    return msgspec.structs.replace(operator, vgpu=vgpu)


def _placed(document: Path, named: str | None) -> str | None:
    """Return where a file is that a document names."""
    if not named or Path(named).is_absolute():
        return named
    return str(document.parent / _in_home(Path(named)))


def _in_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # the home of somebody who does not exist
        return path


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        message = f"cannot read {file}: {(error.strerror or str(error)).lower()}"
        raise ConfigError(message, hints=("give the path of a GpuPlatform document",)) from error
    if len(raw) > MAX_BYTES:
        message = f"{file} is larger than {MAX_BYTES} bytes: it is no GpuPlatform document"
        raise ConfigError(message)
    return raw


def parse(raw: bytes, name: str = "document") -> GpuPlatform:
    """Return the document in some YAML or JSON.

    Args:
        raw: The text.
        name: How errors call it.

    Raises:
        InvalidDocumentError: It has mistakes; all of them are named.
    """
    from oc_gpu.kube import yamlfile  # noqa: PLC0415  # yaml is slow to import

    try:
        value = yamlfile.parse(raw)
    except yamlfile.ManyDocumentsError as error:
        problem = f"holds more than one document (the next one begins at {error}); one is wanted"
        raise InvalidDocumentError(name, (Mistake("", problem),)) from error
    except yamlfile.YamlError as error:
        raise InvalidDocumentError(name, (Mistake("", f"is not YAML: {error}"),)) from error
    return from_value(value, name)


def from_value(value: Any, name: str = "document") -> GpuPlatform:
    """Return the document of a decoded value.

    Raises:
        InvalidDocumentError: It has mistakes; all of them are named.
    """
    if not _bounded(value):
        raise InvalidDocumentError(name, (Mistake("", "is nested without end, or far too large"),))
    wanted = msgspec.inspect.type_info(GpuPlatform)
    value = _without_empty_parts({} if value is None else value, wanted)
    mistakes = (*find_mistakes(value, GpuPlatform), *_meaning(value))
    if mistakes:
        raise InvalidDocumentError(name, mistakes)
    try:
        return msgspec.convert(value, GpuPlatform)
    except msgspec.ValidationError as error:
        raise InvalidDocumentError(name, explain(value, GpuPlatform, error)) from error


def _bounded(value: Any) -> bool:
    """Tell whether a value ends: with aliases a short text can stand for an endless value."""
    left = MAX_VALUES
    waiting = [(value, 0)]
    while waiting:
        inner, depth = waiting.pop()
        left -= 1
        if left < 0 or depth > MAX_DEPTH:
            return False
        if isinstance(inner, dict):
            waiting.extend((item, depth + 1) for item in inner.values())
        elif isinstance(inner, list):
            waiting.extend((item, depth + 1) for item in inner)
    return True


def _without_empty_parts(value: Any, kind: msgspec.inspect.Type) -> Any:
    """Return a value without parts that only have a name: all below them is commented out."""
    while isinstance(kind, msgspec.inspect.Metadata):
        kind = kind.type
    if not isinstance(value, dict) or not isinstance(kind, msgspec.inspect.StructType):
        return value
    types = {item.encode_name: item.type for item in kind.fields}
    return {
        key: _without_empty_parts(inner, types[key]) if key in types else inner
        for key, inner in value.items()
        if inner is not None or not _is_part(types.get(key))
    }


def _is_part(kind: msgspec.inspect.Type | None) -> bool:
    while isinstance(kind, msgspec.inspect.Metadata):
        kind = kind.type
    return isinstance(kind, msgspec.inspect.StructType)


def _meaning(value: Any) -> tuple[Mistake, ...]:
    """Return the mistakes that types do not show."""
    spec = value.get("spec") if isinstance(value, dict) else None
    if not isinstance(spec, dict):
        return ()
    return (*_taint(spec), *_driver(spec), *_mig(spec), *_vgpu(spec))


def _taint(spec: dict[str, Any]) -> tuple[Mistake, ...]:
    isolation = spec.get("isolation")
    taint = isolation.get("taint") if isinstance(isolation, dict) else None
    if not isinstance(taint, str):
        return ()
    try:
        parse_taint(taint)
    except UsageError as error:
        return (Mistake("spec.isolation.taint", str(error)),)
    return ()


def _driver(spec: dict[str, Any]) -> tuple[Mistake, ...]:
    driver = _part(spec, "driver")
    names = ("repository", "image", "version")
    given = [name for name in names if driver.get(name, "auto") != "auto"]
    missing = [name for name in names if name not in given]
    if not given or not missing:
        return ()
    problem = f"{' and '.join(missing)} must be given too: the operator takes all three or none"
    return (Mistake("spec.gpuOperator.driver", problem),)


_WHOLE = (AUTO, "all-disabled")


def _mig(spec: dict[str, Any]) -> tuple[Mistake, ...]:
    """Return which layouts the strategy does not offer."""
    mig = _part(spec, "mig")
    nodes = mig.get("nodes")
    each = nodes.items() if isinstance(nodes, dict) else ()
    named = {f"nodes.{name}": layout for name, layout in each}
    layouts = {"layout": mig.get("layout", AUTO), **named}
    asked = [(place, text) for place, text in layouts.items() if isinstance(text, str)]
    wrong = [
        Mistake(f"spec.gpuOperator.mig.{place}", f"{text!r} cannot be the value of a label")
        for place, text in asked
        if not re.fullmatch(LAYOUT_PATTERN, text)
    ]
    strategy, places = mig.get("strategy"), [place for place, text in asked if text not in _WHOLE]
    if strategy == "none" and places:
        problem = f"none offers whole cards, and {places[0]} divides them; choose single or mixed"
        wrong.append(Mistake("spec.gpuOperator.mig.strategy", problem))
    if strategy == "single" and any(text == "all-balanced" for _, text in asked):
        problem = "single wants parts of one size, and all-balanced has several; choose mixed"
        wrong.append(Mistake("spec.gpuOperator.mig.strategy", problem))
    return tuple(wrong)


def _vgpu(spec: dict[str, Any]) -> tuple[Mistake, ...]:
    vgpu = _part(spec, "vgpu")
    files = any(vgpu.get(name) is not None for name in ("token", "griddConf"))
    if not (files and vgpu.get("secret", AUTO) != AUTO):
        return ()
    problem = "files and secret are two ways to give the licence; take one"
    return (Mistake("spec.gpuOperator.vgpu", problem),)


def _part(spec: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a part of `gpuOperator`, empty where it is none."""
    operator = spec.get("gpuOperator")
    found = operator.get(name) if isinstance(operator, dict) else None
    return found if isinstance(found, dict) else {}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a GpuPlatform document."""
    schema = msgspec.json.schema(GpuPlatform)
    about = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{KIND} {API_VERSION}",
    }
    return {**about, **schema}
