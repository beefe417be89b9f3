"""Checks of the way to the internet: what goes past the proxy, whom it trusts, the registry."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from oc_gpu.checks.catalogue import Check, Result, Results
from oc_gpu.checks.inputs import Inputs
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.config.certificates import judge
from oc_gpu.kube import RawObject
from oc_gpu.kube.words import counted
from oc_gpu.snapshot.sources import CONFIG_MAPS, REGISTRIES

_INSIDE = (".svc", ".cluster.local")
"""What the network operator always puts into the list (cluster-network-operator,
pkg/util/proxyconfig/no_proxy.go)."""
_OUTSIDE = ("nvcr.io", "registry.redhat.io", "quay.io", "cdn.redhat.com")
"""Where images and packages of the road come from."""
_BUNDLE = "ca-bundle.crt"
_PROXY = "Proxy/cluster"


def _proxy(inputs: Inputs) -> RawObject:
    return inputs.snapshot.raw("proxies", "cluster") or {}


def _url(inputs: Inputs) -> str:
    spec = _proxy(inputs).get("spec") or {}
    return str(spec.get("httpsProxy") or spec.get("httpProxy") or "")


def _past_proxy(inputs: Inputs) -> Results:
    if not _url(inputs):
        return ()
    status = _proxy(inputs).get("status") or {}
    listed = [entry.strip() for entry in str(status.get("noProxy") or "").split(",")]
    seen = Evidence(_PROXY, f"status.noProxy: {', '.join(filter(None, listed)) or 'empty'}")
    found = tuple(_wrong(listed, seen))
    return found or (Result(Severity.OK, "the cluster's own addresses go past the proxy"),)


def _wrong(listed: list[str], seen: Evidence) -> Iterator[Result]:
    lacking = [name for name in _INSIDE if name not in listed]
    if lacking:
        title = f"the proxy is used for the cluster's own services: noProxy lacks {lacking[0]}"
        look = "oc get clusteroperator network -o yaml   # why the proxy is not taken over"
        cause = "no-proxy-missing-cluster-ip"
        yield Result(Severity.ERROR, title, cause, (_PROXY,), (seen,), (look, _EDIT))
    for host in _OUTSIDE:
        if any(_covers(entry, host) for entry in listed):
            title = f"noProxy covers {host}, so nodes reach it directly or not at all"
            yield Result(Severity.WARNING, title, None, (_PROXY,), (seen,), (_EDIT,))


_EDIT = "oc edit proxy/cluster"


def _covers(entry: str, host: str) -> bool:
    """Tell whether an entry of a list of exceptions means a host."""
    name = entry.lstrip("*").lstrip(".")
    return entry == "*" or (bool(name) and (host == name or host.endswith(f".{name}")))


def _trusted(inputs: Inputs) -> Results:
    name = str(((_proxy(inputs).get("spec") or {}).get("trustedCA") or {}).get("name") or "")
    if not name:
        return ()
    objects = (f"ConfigMap/{name}",)
    found = inputs.snapshot.raw(CONFIG_MAPS, name, "openshift-config")
    look = f"oc get configmap -n openshift-config {name} -o yaml"
    if found is None:
        title = f"the proxy's trustedCA names ConfigMap {name}, which openshift-config lacks"
        make = f"oc create configmap {name} -n openshift-config --from-file={_BUNDLE}=FILE"
        seen = (Evidence(_PROXY, f"spec.trustedCA.name: {name}"),)
        return (Result(Severity.ERROR, title, "trusted-ca-missing", (_PROXY,), seen, (make,)),)
    text = str((found.get("data") or {}).get(_BUNDLE) or "")
    return (_bundle(inputs, text, objects, look),)


def _bundle(inputs: Inputs, text: str, objects: tuple[str, ...], look: str) -> Result:
    certificates = re.findall(
        r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", text, re.DOTALL
    )
    cause = "trusted-ca-missing"
    if not certificates:
        title = f"the proxy's trusted CA has no certificate under {_BUNDLE}"
        return Result(Severity.ERROR, title, cause, objects, remedy=(look,))
    now = datetime.fromtimestamp(inputs.snapshot.now, UTC)
    ends = [judge("", one.encode(), now).not_after for one in certificates]
    if None in ends:
        title = f"{objects[0]} holds something under {_BUNDLE} that is no certificate"
        return Result(Severity.ERROR, title, cause, objects, remedy=(look,))
    if all(end is not None and end < now for end in ends):
        title = f"every certificate of {objects[0]} has expired"
        return Result(Severity.ERROR, title, "registry-ca-untrusted", objects, remedy=(look,))
    title = f"the proxy's trusted CA has {counted(len(certificates), 'certificate')}"
    return Result(Severity.OK, title, objects=objects)


def _registry(inputs: Inputs) -> Results:
    found = inputs.snapshot.raw(REGISTRIES, "cluster")
    if found is None:
        title = "the cluster has no image registry of its own; the road needs none"
        return (Result(Severity.INFO, title),)
    objects = ("Config/cluster",)
    spec, status = found.get("spec") or {}, found.get("status") or {}
    state = str(spec.get("managementState") or "")
    if state != "Managed":
        title = f"the image registry is {state or 'not managed'}; images built here have no place"
        seen = (Evidence(objects[0], f"spec.managementState: {state}"),)
        return (Result(Severity.INFO, title, None, objects, seen),)
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Available" and condition.get("status") != "True":
            return (_unavailable(spec, condition, objects),)
    storage = ", ".join(spec.get("storage") or ()) or "no storage"
    return (Result(Severity.OK, f"the image registry is available ({storage})", objects=objects),)


def _unavailable(spec: RawObject, condition: RawObject, objects: tuple[str, ...]) -> Result:
    storage = "" if spec.get("storage") else ": it has no storage"
    said = f"{condition.get('reason', '')}: {condition.get('message', '')}"
    title = f"the image registry is not available{storage}"
    remedy = (
        "oc get clusteroperator image-registry",
        f"give spec.storage a claim or a bucket: oc edit {REGISTRIES}/cluster",
    )
    seen = (Evidence(f"condition Available of {objects[0]}", said),)
    return Result(Severity.WARNING, title, None, objects, seen, remedy)


NO_PROXY = Check(
    "OCG0202",
    "no-proxy",
    "network",
    "the cluster's own addresses go past the proxy, and registries through it",
    _past_proxy,
    ("proxies",),
)
TRUSTED_CA = Check(
    "OCG0203",
    "trusted-ca",
    "network",
    "the certificate authorities that the proxy names are there and valid",
    _trusted,
    ("proxies", CONFIG_MAPS),
)
REGISTRY = Check(
    "OCG0204",
    "image-registry",
    "network",
    "the image registry has storage and is available",
    _registry,
    (REGISTRIES,),
)
