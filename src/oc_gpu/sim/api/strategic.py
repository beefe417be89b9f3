"""Strategic merge patch, the form in which kubectl changes objects of built-in kinds."""

from typing import Any

from oc_gpu.kube.objects import RawObject

_MERGE_KEYS: dict[str, str] = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "secrets": "name",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "conditions": "type",
    "addresses": "type",
    "ownerReferences": "uid",
    "hostAliases": "ip",
    "podIPs": "ip",
    "topologySpreadConstraints": "topologyKey",
}
_PORTS = {True: "containerPort", False: "port"}
_IN_CONTAINERS = frozenset({"containers", "initContainers", "ephemeralContainers"})
_MERGED_VALUES = frozenset({"finalizers"})
"""Lists of plain values that grow instead of being replaced."""

_DIRECTIVE = "$patch"
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"
_RETAIN = "$retainKeys"


def strategic_patch(target: RawObject, patch: RawObject) -> RawObject:
    """Return the target with a strategic merge patch applied; the target is changed in place."""
    merged: RawObject = _merge_map(target, patch, "")
    return merged


def _merge_map(target: RawObject, patch: RawObject, name: str) -> RawObject:
    directive = patch.get(_DIRECTIVE)
    if directive == "delete":
        return {}
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != _DIRECTIVE}
    if _RETAIN in patch:
        target = {key: value for key, value in target.items() if key in patch[_RETAIN]}
    for key, value in patch.items():
        if key.startswith("$"):
            _special(target, key, value)
        elif value is None:
            target.pop(key, None)
        else:
            target[key] = _merge_value(target.get(key), value, key, name)
    for key, order in patch.items():
        if key.startswith(_ORDER):
            _sort(target, key[len(_ORDER) :], order, name)
    return target


def _merge_value(old: Any, new: Any, key: str, parent: str) -> Any:
    if isinstance(new, dict):
        return _merge_map(old if isinstance(old, dict) else {}, new, key)
    if not isinstance(new, list):
        return new
    before = old if isinstance(old, list) else []
    merge_key = _merge_key(key, parent)
    if merge_key is not None:
        return _merge_list(before, new, merge_key, key)
    if key in _MERGED_VALUES and all(isinstance(item, str) for item in new):
        return before + [item for item in new if item not in before]
    return new


def _merge_key(key: str, parent: str) -> str | None:
    return _PORTS[parent in _IN_CONTAINERS] if key == "ports" else _MERGE_KEYS.get(key)


def _merge_list(old: list[Any], patch: list[Any], merge_key: str, name: str) -> list[Any]:
    if any(isinstance(item, dict) and item.get(_DIRECTIVE) == "replace" for item in patch):
        return [i for i in patch if not (isinstance(i, dict) and _DIRECTIVE in i)]
    merged = list(old)
    for item in patch:
        at = next(
            (i for i, o in enumerate(merged) if o.get(merge_key) == item.get(merge_key)), None
        )
        if item.get(_DIRECTIVE) == "delete":
            if at is not None:
                del merged[at]
        elif at is None:
            merged.append(_merge_map({}, item, name))
        else:
            merged[at] = _merge_map(merged[at], item, name)
    return merged


def _special(target: RawObject, key: str, value: Any) -> None:
    """Handle `$deleteFromPrimitiveList/NAME`; other directives are handled elsewhere."""
    if key.startswith(_DELETE):
        name = key[len(_DELETE) :]
        if name in target:
            target[name] = [item for item in target[name] if item not in value]


def _sort(target: RawObject, name: str, order: list[Any], parent: str) -> None:
    """Put a list into the order that the patch asks for; items it does not name stay behind."""
    items = target.get(name)
    if not isinstance(items, list):
        return
    merge_key = _merge_key(name, parent)

    def identity(item: Any) -> Any:
        return item.get(merge_key) if merge_key and isinstance(item, dict) else item

    wanted = [identity(item) for item in order]
    items.sort(
        key=lambda item: wanted.index(identity(item)) if identity(item) in wanted else len(wanted)
    )
