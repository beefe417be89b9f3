"""What the server checks of an object before it is stored."""

from collections.abc import Callable

import msgspec
from msgspec import Struct

from oc_gpu.kube.objects import RawObject, Resource
from oc_gpu.sim.api import fieldsets, metadata, native
from oc_gpu.sim.api.errors import Cause, bad_request, invalid
from oc_gpu.sim.api.messages import JSON, StatusError
from oc_gpu.sim.api.repeated import repeated
from oc_gpu.sim.api.routing import Call
from oc_gpu.sim.api.store import KindKey


class Admitted(Struct, frozen=True):
    """What the writer is to be warned of."""

    warnings: tuple[str, ...] = ()


NO_WARNINGS = Admitted()


def admit(call: Call, old: RawObject | None, new: RawObject) -> Admitted:
    """Check a new state of an object; unknown fields go, defaults come.

    Raises:
        StatusError: 400 or 422.
    """
    unknown = _prune(call, new)
    how = call.request.params.get("fieldValidation") or "Warn"
    unknown.sort()
    if how == "Strict":
        _be_strict(call, new, unknown)
    schema = call.kind.schema
    if schema is not None:
        schema.complete(new)
        wrong = schema.validate(new)
    else:
        wrong = _check_native(call, old, new)
    causes = [*metadata.problems(call.kind, old, new), *wrong]
    if causes:
        raise invalid(call.kind.resource, new["metadata"]["name"], causes)
    if not unknown or how != "Warn":
        return NO_WARNINGS
    return Admitted(tuple(f'unknown field "{path}"' for path in unknown))


def _be_strict(call: Call, new: RawObject, unknown: list[str]) -> None:
    told = [f'unknown field "{path}"' for path in unknown]
    if call.verb in {"create", "update"} and call.request.content_type == JSON:
        told += [f'duplicate field "{path}"' for path in repeated(call.request.body)]
    if told:
        raise _undecodable(call, new, f"strict decoding error: {', '.join(told)}")


def _prune(call: Call, obj: RawObject) -> list[str]:
    kind = call.kind
    if kind.schema is not None:
        return kind.schema.prune(obj)
    return native.prune(kind.key, obj) if kind.native else []


def check_types(call: Call, obj: RawObject, was: RawObject | None = None) -> None:
    """Refuse an object of which something is not of its type, as far as types are known.

    Args:
        call: What is asked for.
        obj: The object.
        was: Its stored state, None for a new one.

    Raises:
        StatusError: 400, or 422 when a patch made it so.
    """
    wrong = native.mistyped(call.kind, obj, was)
    if wrong is not None:
        raise _undecodable(call, obj, wrong)


def _undecodable(call: Call, obj: RawObject, why: str) -> StatusError:
    kind, version = call.kind.resource.kind, call.kind.resource.version
    if call.verb != "patch":
        text = f'{kind} in version "{version}" cannot be handled as a {kind}: {why}'
        return bad_request(text)
    shown = msgspec.json.encode(msgspec.json.encode(obj).decode()).decode()
    cause = Cause("patch", f"Invalid value: {shown}: {why}")
    return invalid(Resource("", "", "", ""), "", [cause])


def refuse_undeclared(call: Call, config: RawObject) -> None:
    """Refuse to apply fields that the schema does not declare.

    Raises:
        StatusError: 500, as the real server says it.
    """
    wrong = [f"{path}: field not declared in schema" for path in sorted(_prune(call, config))]
    wrong += fieldsets.repeated(config, call.kind.shape, "")
    if not wrong:
        return
    told = "\n".join(f"  .{text}" for text in wrong)
    told = told.strip() if len(wrong) == 1 else f"errors:\n{told}"
    resource = call.kind.resource
    namespace = config["metadata"].get("namespace", "")
    version = f"{resource.group}/{resource.version}"
    text = (
        f"failed to create typed patch object ({namespace}/{call.name}; {version}, "
        f"Kind={resource.kind}): {told}"
    )
    raise StatusError(500, "", text)


_MUTABLE_POD_FIELDS = frozenset(
    {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates"}
)


def _check_native(call: Call, old: RawObject | None, new: RawObject) -> list[Cause]:
    check = _CHECKS.get(call.kind.key)
    return check(old, new) if check else []


def _immutable(field: str) -> Cause:
    return Cause(field, "Invalid value: field is immutable")


def _check_pod(old: RawObject | None, new: RawObject) -> list[Cause]:
    spec = new.get("spec") or {}
    if not spec.get("containers"):
        return [Cause("spec.containers", "Required value", "FieldValueRequired")]
    if old is None:
        return []
    before = _fixed(old["spec"])
    if before.get("nodeName") is None and "nodeName" in spec:
        before["nodeName"] = spec["nodeName"]
    if before == _fixed(spec):
        return []
    message = (
        "Forbidden: pod updates may not change fields other than "
        "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
        "`spec.tolerations` (only additions to existing tolerations),"
        "`spec.terminationGracePeriodSeconds`"
    )
    return [Cause("spec", message, "FieldValueForbidden")]


def _fixed(spec: RawObject) -> RawObject:
    """Return the part of a pod's spec that cannot change."""
    kept = {key: value for key, value in spec.items() if key not in _MUTABLE_POD_FIELDS}
    for group in ("containers", "initContainers"):
        if group in kept:
            kept[group] = [{k: v for k, v in c.items() if k != "image"} for c in kept[group]]
    return kept


def _check_selector(old: RawObject | None, new: RawObject) -> list[Cause]:
    spec = new.get("spec") or {}
    selector = spec.get("selector")
    if not selector:
        return [Cause("spec.selector", "Required value", "FieldValueRequired")]
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        message = "Invalid value: `selector` does not match template `labels`"
        return [Cause("spec.template.metadata.labels", message)]
    if old is not None and old["spec"]["selector"] != selector:
        return [_immutable("spec.selector")]
    replicas = spec.get("replicas", 0)
    if replicas < 0:
        message = f"Invalid value: {replicas}: must be greater than or equal to 0"
        return [Cause("spec.replicas", message)]
    return []


def _check_job(old: RawObject | None, new: RawObject) -> list[Cause]:
    if old is None:
        return []
    before, after = old["spec"], new.get("spec") or {}
    fields = ("selector", "template", "completions")
    return [_immutable(f"spec.{key}") for key in fields if before.get(key) != after.get(key)]


def _check_secret(old: RawObject | None, new: RawObject) -> list[Cause]:
    same = old is None or old.get("type") == new.get("type", "Opaque")
    wrong = [] if same else [_immutable("type")]
    return wrong + _check_sealed(old, new)


def _check_sealed(old: RawObject | None, new: RawObject) -> list[Cause]:
    """Keep the data of what was made immutable."""
    if old is None or not old.get("immutable"):
        return []
    message = "Forbidden: field is immutable when `immutable` is set"
    changed = [key for key in ("data", "binaryData") if old.get(key) != new.get(key)]
    if not new.get("immutable"):
        changed.insert(0, "immutable")
    return [Cause(key, message, "FieldValueForbidden") for key in changed]


def _check_binding(old: RawObject | None, new: RawObject) -> list[Cause]:
    same = old is None or old.get("roleRef") == new.get("roleRef")
    return [] if same else [Cause("roleRef", "Invalid value: cannot change roleRef")]


def _check_definition(_old: RawObject | None, definition: RawObject) -> list[Cause]:
    spec = definition.get("spec") or {}
    names = spec.get("names") or {}
    required = {
        "spec.group": spec.get("group"),
        "spec.versions": spec.get("versions"),
        "spec.names.plural": names.get("plural"),
        "spec.names.kind": names.get("kind"),
    }
    missing = [
        Cause(field, "Required value", "FieldValueRequired")
        for field, value in required.items()
        if not value
    ]
    if missing:
        return missing
    bare = [
        Cause(
            f"spec.versions[{index}].schema.openAPIV3Schema",
            "Required value",
            "FieldValueRequired",
        )
        for index, version in enumerate(spec["versions"])
        if not (version.get("schema") or {}).get("openAPIV3Schema")
    ]
    if bare:
        return bare
    name, wanted = definition["metadata"]["name"], f"{names['plural']}.{spec['group']}"
    if name != wanted:
        message = f'Invalid value: "{name}": must be spec.names.plural+"."+spec.group'
        return [Cause("metadata.name", message)]
    return []


_RBAC = "rbac.authorization.k8s.io"
_CHECKS: dict[KindKey, Callable[[RawObject | None, RawObject], list[Cause]]] = {
    ("", "pods"): _check_pod,
    ("", "configmaps"): _check_sealed,
    ("", "secrets"): _check_secret,
    ("apps", "deployments"): _check_selector,
    ("apps", "daemonsets"): _check_selector,
    ("apps", "replicasets"): _check_selector,
    ("batch", "jobs"): _check_job,
    (_RBAC, "rolebindings"): _check_binding,
    (_RBAC, "clusterrolebindings"): _check_binding,
    ("apiextensions.k8s.io", "customresourcedefinitions"): _check_definition,
}
