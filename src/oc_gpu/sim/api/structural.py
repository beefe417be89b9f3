"""Structural schemas of custom resources: pruning, defaulting, validation, list semantics.

A node wraps one schema of a CustomResourceDefinition and makes the nodes below when they are
asked for: GPU operators bring schemas of thousands of fields, of which an object has a few.
"""

import copy
import re
from collections.abc import Mapping, Sized
from functools import cached_property
from typing import Any

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api import fieldsets
from oc_gpu.sim.api.errors import Cause
from oc_gpu.sim.api.shapes import FREE, NATIVE, OPEN, ListType, Shape

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
_ROOT = ("apiVersion", "kind", "metadata")


class Node:
    """One schema.

    Args:
        schema: JSON schema of the definition.
        root: Whether it describes an object with metadata of its own.
    """

    def __init__(self, schema: RawObject, *, root: bool = False) -> None:
        self.schema = schema
        self.embedded = root or bool(schema.get("x-kubernetes-embedded-resource"))
        self._children: dict[str, Node | None] = {}

    @property
    def atomic_map(self) -> bool:
        """Tell whether a map here is replaced as a whole."""
        return self.schema.get("x-kubernetes-map-type") == "atomic"

    @property
    def list_type(self) -> ListType:
        """Tell how a list here merges."""
        given: ListType = self.schema.get("x-kubernetes-list-type", "atomic")
        return given

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the fields that identify the items of a `map` list."""
        return tuple(self.schema.get("x-kubernetes-list-map-keys") or ())

    @cached_property
    def key_defaults(self) -> Mapping[str, Any]:
        """Return the values that missing key fields stand for."""
        properties = (self.schema.get("items") or {}).get("properties") or {}
        return {
            key: properties[key]["default"]
            for key in self.keys
            if "default" in properties.get(key, {})
        }

    @property
    def free_keys(self) -> bool:
        """Tell whether a map here has keys of the user's choice."""
        return "additionalProperties" in self.schema or self.preserves

    @property
    def preserves(self) -> bool:
        """Tell whether unknown fields stay."""
        return bool(self.schema.get("x-kubernetes-preserve-unknown-fields"))

    def child(self, key: str) -> Shape:
        """Return the shape below a field."""
        if self.embedded and key == "metadata":
            return NATIVE.child("metadata")
        return self.below(key) or (FREE if self.preserves else OPEN)

    def items(self) -> Shape:
        """Return the shape of a list's items."""
        return self.item or OPEN

    @cached_property
    def item(self) -> "Node | None":
        """Return the schema of a list's items."""
        schema = self.schema.get("items")
        return Node(schema) if isinstance(schema, dict) else None

    def below(self, key: str) -> "Node | None":
        """Return the schema of a field, None when it is not declared."""
        if key not in self._children:
            schema = (self.schema.get("properties") or {}).get(key)
            if schema is None:
                schema = self.schema.get("additionalProperties")
            if schema is True:
                schema = {"x-kubernetes-preserve-unknown-fields": True}
            self._children[key] = Node(schema) if isinstance(schema, dict) else None
        return self._children[key]

    def own_fields(self, value: RawObject) -> list[str]:
        """Return the fields of a value that the schema speaks about."""
        return [key for key in value if not (self.embedded and key in _ROOT)]

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """Return the compiled pattern; one that Python does not understand holds for everything."""
        try:
            return re.compile(self.schema["pattern"]) if "pattern" in self.schema else None
        except re.error:
            return None


class CustomSchema:
    """What a version of a definition says of its objects.

    Args:
        schema: Its `openAPIV3Schema`.
    """

    def __init__(self, schema: RawObject) -> None:
        self.node = Node(schema, root=True)

    @property
    def shape(self) -> Shape:
        """Return how lists and maps merge."""
        return self.node

    def prune(self, obj: RawObject) -> list[str]:
        """Take out, in place, what the schema does not know; return the paths."""
        return _prune(self.node, obj, "")

    def complete(self, obj: RawObject) -> None:
        """Fill in the defaults, in place."""
        _complete(self.node, obj)

    def validate(self, obj: RawObject) -> list[Cause]:
        """Return what is wrong."""
        causes: list[Cause] = []
        _validate(self.node, obj, "", causes)
        return causes


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _prune(node: Node, value: Any, path: str) -> list[str]:
    gone: list[str] = []
    if isinstance(value, list) and node.item is not None:
        for index, item in enumerate(value):
            gone += _prune(node.item, item, f"{path}[{index}]")
    if not isinstance(value, dict):
        return gone
    for key in node.own_fields(value):
        below = node.below(key)
        if below is not None:
            gone += _prune(below, value[key], _join(path, key))
        elif not node.preserves:
            del value[key]
            gone.append(_join(path, key))
    return gone


def _complete(node: Node, value: Any) -> None:
    if isinstance(value, list) and node.item is not None:
        for item in value:
            _complete(node.item, item)
    if not isinstance(value, dict):
        return
    _fill(node, value)
    for key in node.own_fields(value):
        below = node.below(key)
        if below is not None:
            _complete(below, value[key])


def _fill(node: Node, value: RawObject) -> None:
    """Take out the nulls that the schema does not allow, and put defaults where nothing is."""
    for key, schema in (node.schema.get("properties") or {}).items():
        if node.embedded and key in _ROOT:
            continue
        if key in value and value[key] is None and not schema.get("nullable"):
            del value[key]
        if key not in value and "default" in schema:
            value[key] = copy.deepcopy(schema["default"])


def _validate(node: Node, value: Any, path: str, causes: list[Cause]) -> None:
    wrong = _type_problem(node.schema, value, path)
    if wrong is not None:
        causes.append(wrong)
        return
    if value is None:
        return
    causes += _value_problems(node, value, path)
    if isinstance(value, list) and node.item is not None:
        for index, item in enumerate(value):
            _validate(node.item, item, f"{path}[{index}]", causes)
        causes += _repeated(node, value, path)
    if isinstance(value, dict):
        _validate_fields(node, value, path, causes)


def _repeated(node: Node, value: list[Any], path: str) -> list[Cause]:
    """Return the items of a set, or keys of a map, that are there more than once."""
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, item in enumerate(value):
        key = fieldsets.element(item, node) if node.list_type != "atomic" else None
        if key is None:
            continue
        if key in seen:
            shown = key.partition(":")[2]
            place = f"{path}[{index}]"
            causes.append(Cause(place, f"Duplicate value: {shown}", "FieldValueDuplicate"))
        seen.add(key)
    return causes


def _validate_fields(node: Node, value: RawObject, path: str, causes: list[Cause]) -> None:
    causes += [
        Cause(_join(path, key), "Required value", "FieldValueRequired")
        for key in node.schema.get("required") or ()
        if key not in value
    ]
    for key in node.own_fields(value):
        below = node.below(key)
        if below is not None:
            _validate(below, value[key], _join(path, key), causes)


def _type_problem(schema: RawObject, value: Any, path: str) -> Cause | None:
    if value is None:
        if schema.get("nullable") or schema.get("x-kubernetes-preserve-unknown-fields"):
            return None
    elif schema.get("x-kubernetes-int-or-string"):
        if _is_a(value, "integer") or isinstance(value, str):
            return None
    elif _is_a(value, schema.get("type", "")):
        return None
    wanted = schema.get("type", "integer,string")
    given = _type_name(value)
    message = f'Invalid value: "{given}": {path} in body must be of type {wanted}: "{given}"'
    return Cause(path, message, "FieldValueTypeInvalid")


def _is_a(value: Any, wanted: str) -> bool:
    if not wanted:
        return True
    if isinstance(value, bool):
        return wanted == "boolean"
    if wanted == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[wanted])


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    return next(name for name in _TYPES if _is_a(value, name))


def _value_problems(node: Node, value: Any, path: str) -> list[Cause]:
    schema = node.schema
    causes = []
    if "enum" in schema and value not in schema["enum"]:
        known = ", ".join(f'"{item}"' for item in schema["enum"])
        message = f'Unsupported value: "{value}": supported values: {known}'
        causes.append(Cause(path, message, "FieldValueNotSupported"))
    if isinstance(value, str) and value and node.pattern and not node.pattern.search(value):
        message = f"Invalid value: \"{value}\": {path} in body should match '{schema['pattern']}'"
        causes.append(Cause(path, message))
    causes += [
        Cause(path, f"Invalid value: {value}: {path} in body {problem}")
        for problem in _bounds(schema, value)
    ]
    return causes + _lengths(schema, value, path)


def _bounds(schema: RawObject, value: Any) -> list[str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return []
    problems = []
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and (value < least or (schema.get("exclusiveMinimum") and value == least)):
        problems.append(f"should be greater than or equal to {least}")
    if most is not None and (value > most or (schema.get("exclusiveMaximum") and value == most)):
        problems.append(f"should be less than or equal to {most}")
    return problems


_LENGTHS: tuple[tuple[type[Sized], str, str, str, str], ...] = (
    (str, "minLength", "maxLength", "chars long", "bytes"),
    (list, "minItems", "maxItems", "items", "items"),
    (dict, "minProperties", "maxProperties", "properties", "items"),
)


def _lengths(schema: RawObject, value: Any, path: str) -> list[Cause]:
    causes = []
    for type_, least, most, unit, counted in _LENGTHS:
        if not isinstance(value, type_):
            continue
        if least in schema and len(value) < schema[least]:
            shown = f'"{value}"' if isinstance(value, str) else len(value)
            told = f"should be at least {schema[least]} {unit}"
            causes.append(Cause(path, f"Invalid value: {shown}: {path} in body {told}"))
        if most in schema and len(value) > schema[most]:
            causes.append(_too_much(path, value, schema[most], counted))
    return causes


def _too_much(path: str, value: Any, most: int, unit: str) -> Cause:
    if isinstance(value, str):
        text = f"Too long: may not be more than {most} {unit}"
        return Cause(path, text, "FieldValueTooLong")
    text = f"Too many: {len(value)}: must have at most {most} {unit}"
    return Cause(path, text, "FieldValueTooMany")
