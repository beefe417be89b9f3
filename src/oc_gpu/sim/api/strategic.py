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
    before = dict(target)
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
            _sort(target, key[len(_ORDER) :], order, (name, before))
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
    known = {item.get(merge_key): item for item in old}
    deleted = {item.get(merge_key) for item in patch if item.get(_DIRECTIVE) == "delete"}
    merged = {
        item.get(merge_key): _merge_map(known.get(item.get(merge_key), {}), item, name)
        for item in patch
        if item.get(_DIRECTIVE) != "delete"
    }
    rest = {key: item for key, item in known.items() if key not in merged and key not in deleted}
    order = _interleaved(list(rest), list(merged), list(known))
    return [merged[key] if key in merged else rest[key] for key in order]


def _interleaved(rest: list[Any], wanted: list[Any], before: list[Any]) -> list[Any]:
    """Return two lists as one: the order of each is kept, and where it can, that of before."""
    order: list[Any] = []
    places = {key: place for place, key in enumerate(before)}
    for key in wanted:
        while rest and key in places and places.get(rest[0], -1) < places[key]:
            order.append(rest.pop(0))
        order.append(key)
    return order + rest


def _special(target: RawObject, key: str, value: Any) -> None:
    """Handle `$deleteFromPrimitiveList/NAME`; other directives are handled elsewhere."""
    if key.startswith(_DELETE):
        name = key[len(_DELETE) :]
        if name in target:
            target[name] = [item for item in target[name] if item not in value]


def _sort(target: RawObject, name: str, order: list[Any], place: tuple[str, RawObject]) -> None:
    """Put a list into the order that the patch asks for; items it does not name stay around."""
    parent, before = place
    items = target.get(name)
    if not isinstance(items, list):
        return
    merge_key = _merge_key(name, parent)

    def identity(item: Any) -> Any:
        return item.get(merge_key) if merge_key and isinstance(item, dict) else item

    known = {identity(item): item for item in items}
    wanted = [key for key in map(identity, order) if key in known]
    rest = [key for key in known if key not in wanted]
    was = [identity(item) for item in before.get(name) or []]
    target[name] = [known[key] for key in _interleaved(rest, wanted, was)]
