"""Names, labels and roles that OLM gives to what it makes. Pure."""

from collections.abc import Iterator

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.objects import name_of, namespace_of, stable_hash
from oc_gpu.sim.bundles import Bundle, OwnedCrd

RBAC = "rbac.authorization.k8s.io"
OPERATORS_SINCE = (4, 6)
"""First release whose OLM has Operator objects and labels components with them."""
_HASHED_NAMES_SINCE = (4, 15)
_LABEL_NAME = 63
_LONG_HASH = 38
_SHORT_HASH = 5
_NAME_STEM = 24
_VERBS = {
    "admin": ("*",),
    "edit": ("create", "update", "patch", "delete"),
    "view": ("get", "list", "watch"),
}


def component_labels(package: str, namespace: str, minor: tuple[int, int]) -> dict[str, str]:
    """Return the label that marks all parts of an installed operator."""
    if minor < OPERATORS_SINCE:
        return {}
    return {f"operators.coreos.com/{component(package, namespace)}": ""}


def component(package: str, namespace: str) -> str:
    """Return the name of the Operator object of an installation."""
    return f"{package}.{namespace}"[:_LABEL_NAME].rstrip("-._")


def owner_labels(csv: RawObject) -> dict[str, str]:
    """Return the labels of objects that belong to a CSV."""
    return {
        "olm.managed": "true",
        "olm.owner": name_of(csv),
        "olm.owner.kind": "ClusterServiceVersion",
        "olm.owner.namespace": namespace_of(csv) or "",
    }


def csv_reference(csv: RawObject) -> RawObject:
    """Return the owner reference to a CSV."""
    return {
        "apiVersion": csv["apiVersion"],
        "kind": csv["kind"],
        "name": name_of(csv),
        "uid": csv["metadata"]["uid"],
        "controller": False,
        "blockOwnerDeletion": False,
    }


def permission_name(csv: str, rules: object, minor: tuple[int, int]) -> str:
    """Return the name of a role that is made from a CSV's permissions."""
    if minor < _HASHED_NAMES_SINCE:
        return f"{csv}-{stable_hash(rules, _SHORT_HASH)}"
    return f"{csv[:_NAME_STEM].rstrip('-.')}-{stable_hash(rules, _LONG_HASH)}"


def group_roles(group: RawObject, minor: tuple[int, int]) -> Iterator[RawObject]:
    """Yield the ClusterRoles that OLM makes for an OperatorGroup; they outlive it."""
    name, namespace = name_of(group), namespace_of(group) or ""
    for verb in _VERBS:
        hashed = f"olm.og.{name}.{verb}-{stable_hash([namespace, name, verb], _LONG_HASH)}"
        selector = {f"olm.opgroup.permissions/aggregate-to-{verb}": _group_hash(group)}
        yield {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {
                "name": hashed if minor >= _HASHED_NAMES_SINCE else f"{name}-{verb}",
                "labels": {
                    "olm.managed": "true",
                    "olm.owner": name,
                    "olm.owner.kind": "OperatorGroup",
                    "olm.owner.namespace": namespace,
                },
            },
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": selector}]},
            "rules": [],
        }


def _group_hash(group: RawObject) -> str:
    return stable_hash([namespace_of(group), name_of(group)], _SHORT_HASH)


def crd_roles(owned: OwnedCrd, bundle: Bundle) -> Iterator[RawObject]:
    """Yield the ClusterRoles that let users work with an operator's kind; they outlive it."""
    plural = owned.name.partition(".")[0]
    stem = f"{owned.name}-{owned.version}"
    for verb, verbs in _VERBS.items():
        rules = [{"apiGroups": [owned.group], "resources": [plural], "verbs": list(verbs)}]
        yield _crd_role(f"{stem}-{verb}", verb, rules, bundle)
    crd = {
        "apiGroups": ["apiextensions.k8s.io"],
        "resources": ["customresourcedefinitions"],
        "resourceNames": [owned.name],
        "verbs": ["get"],
    }
    yield _crd_role(f"{stem}-crdview", "view", [crd], bundle)


def _crd_role(name: str, verb: str, rules: list[RawObject], bundle: Bundle) -> RawObject:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {
            "name": name,
            "labels": {
                "olm.managed": "true",
                f"olm.opgroup.permissions/aggregate-to-{verb}": bundle.package,
                f"{RBAC}/aggregate-to-{verb}": "true",
            },
        },
        "rules": rules,
    }
