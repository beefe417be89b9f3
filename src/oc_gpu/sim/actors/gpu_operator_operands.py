"""The workloads that a ClusterPolicy leads to, per release of the GPU Operator. Pure."""

import copy
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.objects import name_of
from oc_gpu.sim.bundles import Operand, OperandTable

_DEFAULT_TOLERATIONS = ({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},)
_DRIVER, _DRIVER_CONTAINER = "driver", "nvidia-driver"
_DIVIDING = frozenset({"devicePlugin", "gfd", "migManager"})
"""Components that are told of MIG."""
_TOOLKIT_CONTAINER = "openshift-driver-toolkit-ctr"
_TOOLKIT_LABEL = "openshift.driver-toolkit"
_SPECS = {"nodeStatusExporter": "validator"}
_TRUSTED = "gpu-operator-trusted-ca"
_IN_POLICY = {
    "VALIDATOR_IMAGE": ("validator",),
    "DRIVER_MANAGER_IMAGE": ("driver", "manager"),
    "CUDA_BASE_IMAGE": ("operator", "initContainer"),
}
"""Images of init containers by where the ClusterPolicy names them; else they are in the
environment."""
_PROXY = {"HTTP_PROXY": "httpProxy", "HTTPS_PROXY": "httpsProxy", "NO_PROXY": "noProxy"}


class Surroundings(Struct, frozen=True, kw_only=True):
    """What the operator takes from the cluster around it.

    Attributes:
        namespace: Where operands go.
        env: Variables of the operator's Deployment, with the default images.
        openshift: Release as major.minor.
        os_tag: What a driver image's tag ends in, from one GPU node's labels.
        proxy: The cluster's Proxy.
        toolkits: RHCOS version -> Driver Toolkit image; None where an image is missing.
    """

    namespace: str
    env: Mapping[str, str]
    openshift: str
    os_tag: str
    proxy: RawObject
    toolkits: Mapping[str, str | None]


def objects(
    table: OperandTable, operand: Operand, policy: RawObject, around: Surroundings
) -> Iterator[RawObject]:
    """Yield the workloads of an operand: one, or a driver DaemonSet per RHCOS version."""
    spec = policy["spec"]
    if (spec.get(operand.component) or {}).get("enabled") is False:
        return
    if operand.component != _DRIVER or not table.driver_toolkit:
        made = _filled(operand, around, _named_images(spec))
        yield _finished(made, table, operand, spec, around)
        return
    toolkits = around.toolkits if uses_toolkit(spec) else {}
    if not toolkits:
        yield _finished(_entitled(operand, around), table, operand, spec, around)
    for version, image in toolkits.items():
        values = {"OSTREE_VERSION": version, "DRIVER_TOOLKIT_IMAGE": image or ""}
        made = _filled(operand, around, values)
        if image is None:
            made["metadata"]["labels"][f"{_TOOLKIT_LABEL}.rhcos-image-missing"] = "true"
            _without_toolkit(made)
        yield _finished(made, table, operand, spec, around)


def uses_toolkit(spec: RawObject) -> bool:
    """Tell whether drivers are built in the Driver Toolkit; on OpenShift they are unless told."""
    return (spec.get("operator") or {}).get("use_ocp_driver_toolkit") is not False


def _named_images(spec: RawObject) -> dict[str, str]:
    """Return the images of init containers that the ClusterPolicy names itself."""
    found: dict[str, str] = {}
    for name, path in _IN_POLICY.items():
        part: RawObject = spec
        for key in path:
            part = part.get(key) or {}
        image = image_of(part, "", "", "")
        found |= {name: image} if image else {}
    return found


def _filled(operand: Operand, around: Surroundings, values: Mapping[str, str]) -> RawObject:
    text = msgspec.json.encode(operand.object).decode()
    known = {**around.env, "OPENSHIFT_VERSION": around.openshift, **values}
    for name, value in known.items():
        text = text.replace(f"$({name})", value)
    made: RawObject = msgspec.json.decode(text)
    return made


def _entitled(operand: Operand, around: Surroundings) -> RawObject:
    """Return the driver DaemonSet that builds from entitled packages on every kind of node."""
    suffix = "-$(OSTREE_VERSION)"
    template = msgspec.json.encode(operand.object).decode().replace(suffix, "")
    plain = msgspec.structs.replace(operand, object=msgspec.json.decode(template))
    made = _filled(plain, around, {"OSTREE_VERSION": ""})
    for meta in (made["metadata"], made["spec"]["template"]["metadata"]):
        for key in [k for k in meta["labels"] if k.startswith(_TOOLKIT_LABEL)]:
            del meta["labels"][key]
    selector = made["spec"]["template"]["spec"]["nodeSelector"]
    for key in [k for k, v in selector.items() if not v]:
        del selector[key]
    _without_toolkit(made)
    return made


def _without_toolkit(made: RawObject) -> None:
    pod = made["spec"]["template"]["spec"]
    pod["containers"] = [c for c in pod["containers"] if c["name"] != _TOOLKIT_CONTAINER]
    pod["containers"][0] |= {"command": ["nvidia-driver"], "args": ["init"]}


def _finished(
    made: RawObject, table: OperandTable, operand: Operand, spec: RawObject, around: Surroundings
) -> RawObject:
    """Apply what the ClusterPolicy says about an operand."""
    component = _component(spec, operand)
    tag = around.os_tag.partition(".")[0] if table.major_tag else around.os_tag
    pod = _pod_spec(made)
    pod["tolerations"] = tolerations(table, operand, spec)
    for container in [*pod["containers"], *(pod.get("initContainers") or [])]:
        default = around.env.get(operand.image, f"$({operand.image})")
        if container["image"] == default:
            container["image"] = image_of(component, default, tag, operand.component)
    main = pod["containers"][0]
    main["env"] = _merged(main.get("env") or [], component.get("env") or [])
    if operand.component == _DRIVER:
        _set_licence(pod, main, component)
    _set_logins(pod, component)
    if operand.component in _DIVIDING:
        _set_layouts(pod, main, spec)
    if component.get("args") and operand.component != _DRIVER:
        main["args"] = component["args"]
    if table.proxy:
        _add_proxy(pod, around.proxy)
    made["metadata"]["namespace"] = around.namespace
    made |= {"apiVersion": "apps/v1", "kind": operand.kind}
    if operand.kind == "Pod":
        return made | {"apiVersion": "v1"}
    notes = made["metadata"].setdefault("annotations", {})
    notes["nvidia.com/last-applied-hash"] = str(zlib.crc32(msgspec.json.encode(made["spec"])))
    return made


_LICENCE_FILES = {
    "gridd.conf": "/drivers/gridd.conf",
    "client_configuration_token.tok": "/drivers/ClientConfigToken/client_configuration_token.tok",
}


def _set_licence(pod: RawObject, main: RawObject, component: RawObject) -> None:
    """Mount the licence of virtual GPUs into the driver's container, as the ClusterPolicy says."""
    given = component.get("licensingConfig") or {}
    if name := given.get("secretName"):
        source: RawObject = {"secret": {"secretName": name}}
    elif name := given.get("configMapName"):
        source = {"configMap": {"name": name}}
    else:
        return
    pod.setdefault("volumes", []).append({"name": "licensing-config", **source})
    main.setdefault("volumeMounts", []).extend(
        {"name": "licensing-config", "mountPath": path, "subPath": key, "readOnly": True}
        for key, path in _LICENCE_FILES.items()
        if key == "gridd.conf" or given.get("nlsEnabled", True)
    )


def _set_logins(pod: RawObject, component: RawObject) -> None:
    """Hand over the Secrets with which an operand's image is pulled."""
    names = component.get("imagePullSecrets") or []
    if names:
        pod["imagePullSecrets"] = [{"name": name} for name in names]


def _set_layouts(pod: RawObject, main: RawObject, spec: RawObject) -> None:
    """Hand over how divided cards are offered, and the layouts that an administrator wrote."""
    strategy = (spec.get("mig") or {}).get("strategy")
    if strategy:
        entry = {"name": "MIG_STRATEGY", "value": strategy}
        main["env"] = _merged(main.get("env") or [], [entry])
    own = ((spec.get("migManager") or {}).get("config") or {}).get("name")
    for volume in pod.get("volumes") or []:
        if own and volume["name"] == "mig-parted-config":
            volume["configMap"]["name"] = own


def _component(spec: RawObject, operand: Operand) -> RawObject:
    if operand.kind == "Pod":
        return (spec.get("operator") or {}).get("validator") or {}
    return spec.get(_SPECS.get(operand.component, operand.component)) or {}


def _pod_spec(made: RawObject) -> RawObject:
    spec: RawObject = made["spec"]
    return spec["template"]["spec"] if "template" in spec else spec


def tolerations(table: OperandTable, operand: Operand, spec: RawObject) -> list[RawObject]:
    """Return an operand's tolerations: newer releases replace the default list, older add to it."""
    if table.common_tolerations:
        given = (spec.get("daemonsets") or {}).get("tolerations")
        return list(given or _DEFAULT_TOLERATIONS)
    given = _component(spec, operand).get("tolerations") if operand.kind != "Pod" else None
    return [*(given or operand.tolerations)]


def image_of(component: RawObject, default: str, os_tag: str, name: str) -> str:
    """Return an operand's image: repository, image and version of the policy, or the default."""
    repository, version = component.get("repository"), component.get("version")
    if not repository and not version:
        return str(component.get("image") or default) if name != _DRIVER else default
    path = f"{repository}/{component.get('image', '')}"
    if str(version).startswith("sha256:"):
        return f"{path}@{version}"
    return f"{path}:{version}-{os_tag}" if name == _DRIVER else f"{path}:{version}"


def _add_proxy(pod: RawObject, proxy: RawObject) -> None:
    """Put the cluster's proxy into the driver's containers, from the Proxy's spec."""
    spec: RawObject = proxy.get("spec") or {}
    values = {name: spec[key] for name, key in _PROXY.items() if spec.get(key)}
    if not values:
        return
    both = [{"name": n, "value": v} for key, v in values.items() for n in (key, key.lower())]
    for container in pod["containers"]:
        if _DRIVER_CONTAINER in container["name"]:
            container["env"] = _merged(container.get("env") or [], both)
            if trusted_bundle(proxy):
                path = "/etc/pki/ca-trust/extracted/pem"
                mount = {"name": _TRUSTED, "mountPath": path, "readOnly": True}
                container.setdefault("volumeMounts", []).append(mount)
    if trusted_bundle(proxy):
        items = [{"key": "ca-bundle.crt", "path": "tls-ca-bundle.pem"}]
        volume = {"name": _TRUSTED, "configMap": {"name": _TRUSTED, "items": items}}
        pod.setdefault("volumes", []).append(volume)


def trusted_bundle(proxy: RawObject) -> str:
    """Return the name of the ConfigMap for trusted CAs, empty when the proxy needs none."""
    named = ((proxy.get("spec") or {}).get("trustedCA") or {}).get("name")
    return _TRUSTED if named else ""


def _merged(first: Sequence[Any], second: Sequence[Any]) -> list[Any]:
    by_name = {e["name"]: e for e in first} | {e["name"]: e for e in second}
    return list(by_name.values())


def accounts(table: OperandTable) -> list[str]:
    """Return the ServiceAccounts of all operands."""
    specs = [_pod_spec(copy.copy(o.object)) for o in table.operands]
    return sorted({s["serviceAccountName"] for s in specs if s.get("serviceAccountName")})


def app_of(made: RawObject) -> str:
    """Return the label value by which an operand's pods are found."""
    return str((made["metadata"].get("labels") or {}).get("app", name_of(made)))
