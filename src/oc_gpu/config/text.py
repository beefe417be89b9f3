"""The commented document that `config init` writes, made from the model itself."""

from collections.abc import Iterator

from msgspec import NODEFAULT, inspect

from oc_gpu.config.document import API_VERSION, KIND, Spec

_EXAMPLES = {
    "taint": "nodetype=gpu:NoSchedule",
    "tolerations": "[{key: nodetype, operator: Equal, value: gpu, effect: NoSchedule}]",
    "file": "entitlement.zip",
    "pullSecrets": "[registry-login]",
    "nodes": "{gpu-0: all-balanced}",
    "token": "client_configuration_token.tok",
    "griddConf": "gridd.conf",
    "clusterPolicy": "{dcgmExporter: {enabled: true}}",
}


def example_text() -> str:
    """Return a document in which every field is explained and none is set."""
    lines = [
        "# What oc-gpu is to make of a cluster. Every field has a default: an empty file works.",
        "# Take the '#' away from what you want to choose.",
        f"apiVersion: {API_VERSION}",
        f"kind: {KIND}",
        "spec:",
        *_fields(inspect.type_info(Spec), 1),
    ]
    return "\n".join(lines) + "\n"


def _fields(kind: inspect.Type, depth: int) -> Iterator[str]:
    assert isinstance(kind, inspect.StructType)  # noqa: S101  # called with structs only
    for item in kind.fields:
        yield from _field(item, depth)


def _field(item: inspect.Field, depth: int) -> Iterator[str]:
    about, inner = _described(item.type)
    pad = "  " * depth
    if isinstance(inner, inspect.StructType):
        yield f"{pad}# {about}"
        yield f"{pad}{item.encode_name}:" + (" {}" if not inner.fields else "")
        yield from _fields(inner, depth + 1)
        return
    yield f"{pad}# {about}"
    yield f"{pad}# {item.encode_name}: {_value(item)}"


def _described(kind: inspect.Type) -> tuple[str, inspect.Type]:
    about = ""
    while isinstance(kind, inspect.Metadata):
        about = (kind.extra_json_schema or {}).get("description", about)
        kind = kind.type
    return about, kind


def _value(item: inspect.Field) -> str:
    if item.encode_name in _EXAMPLES:
        return _EXAMPLES[item.encode_name]
    return "auto" if item.default in (NODEFAULT, None) else str(item.default)
