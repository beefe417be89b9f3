"""JSON merge patch (RFC 7386) and JSON patch (RFC 6902)."""

from typing import Any

from oc_gpu.sim.api.errors import bad_request
from oc_gpu.sim.api.messages import StatusError


def merge(target: Any, patch: Any) -> Any:
    """Return the target with a merge patch applied; the target is changed in place."""
    if not isinstance(patch, dict):
        return patch
    result = target if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merge(result.get(key), value)
        else:
            result[key] = value
    return result


def json_patch(target: Any, operations: Any) -> Any:
    """Return the target with the six operations of JSON patch applied, in place.

    Raises:
        StatusError: 400 for an operation that makes no sense, 422 for one that does not fit.
    """
    if not isinstance(operations, list) or not all(isinstance(o, dict) for o in operations):
        raise bad_request("error decoding patch: it is no list of operations")
    for operation in operations:
        try:
            target = _apply(target, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            text = "the server rejected our request due to an error in our request"
            raise StatusError(422, "Invalid", text) from error
    return target


def _apply(target: Any, operation: Any) -> Any:
    path = _pointer(operation["path"])
    match operation["op"]:
        case "add":
            return _add(target, path, operation.get("value"))
        case "remove":
            return _remove(target, path)
        case "replace":
            _read_field(target, path)
            return _replace(target, path, operation.get("value"))
        case "move":
            source = _pointer(operation["from"])
            value = _read_field(target, source)
            return _add(_remove(target, source), path, value)
        case "copy":
            return _add(target, path, _copy(_read_field(target, _pointer(operation["from"]))))
        case "test":
            if _read_field(target, path) != operation.get("value"):
                msg = f"testing path {operation['path']} failed"
                raise ValueError(msg)
            return target
        case other:
            msg = f"unknown operation {other!r}"
            raise ValueError(msg)


def _pointer(text: str) -> list[str]:
    parts = text.split("/")[1:]
    return [part.replace("~1", "/").replace("~0", "~") for part in parts]


def _index(sequence: list[Any], part: str, *, end: bool = False) -> int:
    if part == "-" and end:
        return len(sequence)
    if not part.isdecimal() or int(part) > len(sequence) - (not end):
        msg = f"index {part} is outside of the list"
        raise IndexError(msg)
    return int(part)


def _read(target: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(target, list):
            target = target[_index(target, part)]
        elif isinstance(target, dict) and part in target:
            target = target[part]
        else:
            msg = f"nothing at {part!r}"
            raise KeyError(msg)
    return target


def _read_field(target: Any, path: list[str]) -> Any:
    """Return what is there; a field that its map does not have is null."""
    if not path:
        return target
    parent = _read(target, path[:-1])
    return parent.get(path[-1]) if isinstance(parent, dict) else _read(parent, path[-1:])


def _add(target: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent = _read(target, path[:-1])
    if isinstance(parent, list):
        parent.insert(_index(parent, path[-1], end=True), value)
    else:
        parent[path[-1]] = value
    return target


def _replace(target: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent = _read(target, path[:-1])
    parent[_index(parent, path[-1]) if isinstance(parent, list) else path[-1]] = value
    return target


def _remove(target: Any, path: list[str]) -> Any:
    if not path:
        return None
    parent = _read(target, path[:-1])
    del parent[_index(parent, path[-1]) if isinstance(parent, list) else path[-1]]
    return target


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
