"""Layer device-plugin: its configuration, and GPUs that it takes out of service."""

import re

from oc_gpu.checks.case import Case, key, namespace_of
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.plugin_files import unmounted
from oc_gpu.checks.components import DCGM, EXPORTER, GFD, PLUGIN, WORKLOAD
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import (
    KERNEL,
    Quote,
    cause,
    find,
    has_passed,
    holds,
    note,
    of_node,
    result,
    said,
    shown,
)
from oc_gpu.snapshot.kinds import Node

_CONFIG = "device-plugin-config"
_HARDWARE = "gpu-hardware"
_LABEL = "nvidia.com/device-plugin.config"


def _wanted_map(case: Case) -> tuple[str, str]:
    """Return name and namespace of the ConfigMap that the plugin is to read."""
    name = str(case.setting("devicePlugin", "config", "name") or "")
    where = next((p.metadata.namespace for p in case.pods_of(PLUGIN)), "") or next(
        (item.metadata.namespace for item in case.sets_of(PLUGIN)), ""
    )
    return name, where


def _missing(case: Case, says: str) -> Results:
    name, where = _wanted_map(case)
    phrases = (
        'configmap "*" not found',
        "configmap*not found",
        "references non-existent config key",
    )
    quotes = [
        q
        for q in find(case, phrases, (PLUGIN, GFD, EXPORTER, DCGM), ("event", "state"))
        if q.live and (not name or name in q.evidence.quote or q.component in (PLUGIN, GFD))
    ]
    here = {
        str(raw["metadata"]["name"])
        for raw in case.snapshot.table("configmaps")
        if namespace_of(raw) == where
    }
    if quotes:
        return (result(says, quotes, at=0.95),)
    if name and here and name not in here and case.unwell:
        evidence = (
            Evidence("ClusterPolicy", f"spec.devicePlugin.config.name: {name}"),
            Evidence(f"ConfigMaps in {where}", "it is not among them"),
        )
        return (
            Result(
                Severity.ERROR, says, evidence=evidence, confidence=0.9, about={"namespace": where}
            ),
        )
    return ()


def _wrong(case: Case, says: str) -> Results:
    quotes = [
        q
        for q in find(
            case,
            (
                "specified config*does not exist",
                "specified configuration*does not exist",
                "no such config",
                "config*not found in*available configs",
                "unable to load config",
                "error parsing config",
                "unable to parse config",
                "error unmarshal",
                "unknown field",
                "invalid config",
                "unable to finalize config",
                "unable to validate resource",
                "no default config",
                "named config*not found",
                "failed to construct resource managers",
                "failed to load config",
                "unknown version:",
                "could not find config",
                "must specify a default",
                "resource name*invalid",
                "failrequestsgreaterthanone",
                "all fallbacks failed",
                "no configuration files available",
                "number of replicas must be",
                "devices to be replicated, but only",
                "does not match any resource patterns",
                "no replicas specified",
                "unknown time-slicing strategy",
                "maximum allowed replicas exceeded",
            ),
            (PLUGIN, GFD),
        )
        if q.live and not any(holds(q.evidence.quote, word) for word in _NOT_OF_CONFIG)
    ]
    if quotes:
        return (result(says, quotes, at=0.9),)
    waits = [q for q in find(case, ("error waiting for mps daemon",), (PLUGIN,)) if q.live]
    if waits:
        return (result(says, waits, at=0.75),)
    return unmounted(case, says) or _unused(case, says)


_NOT_OF_CONFIG = ("mig-strategy", "insufficient permissions", "insufficient pemmissions")
"""What stops a plugin whose resources cannot be made, and stands in no configuration file."""


def _configs(case: Case) -> dict[str, tuple[str, dict[str, str]]]:
    """Return the ConfigMaps that hold configurations of the plugin: namespace and data by name."""
    found = {}
    for raw in case.snapshot.table("configmaps"):
        data = {str(k): str(v) for k, v in (raw.get("data") or {}).items()}
        if any(
            re.search(r"(?m)^version:\s*v1", text) and _ABOUT.search(text) for text in data.values()
        ):
            found[str(raw["metadata"]["name"])] = (namespace_of(raw), data)
    return found


_ABOUT = re.compile(r"timeSlicing|sharing:|migStrategy|mps:|failRequestsGreaterThanOne")
_REPLICAS = re.compile(r"replicas:\s*(\d+)")


_OF_SHARING = re.compile(
    r"(?m)^(?P<in> *)flags: *\n(?:(?P=in) +.*\n)*?(?P=in) +"
    r"(?P<key>renameByDefault|failRequestsGreaterThanOne|timeSlicing|resources):"
)
"""Settings of sharing that stand among the flags, where nothing reads them."""


def _misread(case: Case, says: str) -> Results:
    """Find settings of the configuration in use that stand where the plugin does not look."""
    name, _ = _wanted_map(case)
    namespace, data = _configs(case).get(name, ("", {}))
    for entry, text in data.items():
        match = _OF_SHARING.search(text)
        if match is not None:
            flag = f"flags.{match['key']}, which belongs to sharing"
            evidence = (Evidence(f"ConfigMap/{name}, {entry}", flag),)
            objects, told = (f"ConfigMap/{name}",), {"namespace": namespace}
            return (
                Result(Severity.ERROR, says, None, objects, evidence, confidence=0.8, about=told),
            )
    return ()


def _unused(case: Case, says: str) -> Results:
    """Find a configuration that exists, and that no node and no ClusterPolicy puts to use."""
    name, where = _wanted_map(case)
    configs = _configs(case)
    if misread := _misread(case, says):
        return misread
    if name and name in configs:
        return _unpicked(case, says, configs[name][1], name)
    mounted = {
        volume.config_map.name
        for item in case.sets_of(PLUGIN)
        for volume in item.spec.template.spec.volumes
        if volume.config_map is not None
    }
    for other, (namespace, data) in configs.items():
        if other in mounted or (name and namespace != where):
            continue
        wanted = max((int(n) for text in data.values() for n in _REPLICAS.findall(text)), default=0)
        for node in case.gpu_nodes:
            if wanted > 1 and node.metadata.labels.get("nvidia.com/gpu.replicas", "1") == "1":
                evidence = (
                    Evidence(f"ConfigMap/{other} in {namespace}", f"replicas: {wanted}"),
                    Evidence(
                        "ClusterPolicy", f"spec.devicePlugin.config.name: {name or 'not set'}"
                    ),
                    Evidence(f"labels of Node/{node.metadata.name}", "nvidia.com/gpu.replicas: 1"),
                )
                return (of_node(node, says, evidence, 0.88),)
    return ()


def _unpicked(case: Case, says: str, data: dict[str, str], name: str) -> Results:
    default = str(case.setting("devicePlugin", "config", "default") or "")
    for node in case.gpu_nodes:
        picked = node.metadata.labels.get(_LABEL, "") or default
        where = f"labels of Node/{node.metadata.name}"
        if picked and picked not in data:
            evidence = (
                Evidence(where, f"{_LABEL}: {picked}"),
                Evidence(f"ConfigMap/{name}", f"holds {', '.join(data)}"),
            )
            return (of_node(node, says, evidence, 0.92),)
        wanted = max((int(n) for n in _REPLICAS.findall(data.get(picked, ""))), default=0)
        any_wanted = max((int(n) for t in data.values() for n in _REPLICAS.findall(t)), default=0)
        has = node.metadata.labels.get("nvidia.com/gpu.replicas", "")
        lacks = has in ("", "1") and "nvidia.com/gpu.shared" not in node.status.allocatable
        if lacks and has and ((picked and wanted > 1) or (not picked and any_wanted > 1)):
            seen = (
                Evidence(f"ConfigMap/{name}", f"holds {', '.join(data)}"),
                Evidence(where, f"{_LABEL}: {picked or 'not set, and there is no default'}"),
                Evidence(where, f"nvidia.com/gpu.replicas: {has}"),
            )
            return (of_node(node, says, seen, 0.88),)
        amounts = set(_REPLICAS.findall(data.get(picked, "")))
        before = has.isdigit() and amounts == {str(wanted)} != {has}
        if before and wanted > 1 and not _offers_parts(case, node, wanted):
            read_before = (
                Evidence(f"ConfigMap/{name}", f"{picked}: replicas: {wanted}"),
                Evidence(where, f"nvidia.com/gpu.replicas: {has}"),
            )
            return (of_node(node, says, read_before, 0.7),)
    return ()


def _offers_parts(case: Case, node: Node, replicas: int) -> bool:
    """Tell whether a node offers each of its GPUs so many times, whatever its labels say."""
    name, amounts = node.metadata.name, node.status.allocatable
    count = node.metadata.labels.get("nvidia.com/gpu.count", "") or str(len(case.cards(name)))
    wanted = str(int(count) * replicas) if count.isdigit() else ""
    return wanted in {amounts.get(one, "0") for one in ("nvidia.com/gpu", "nvidia.com/gpu.shared")}


def _unhealthy(case: Case, says: str, *, xid: bool) -> Results:
    phrases = (
        "marked unhealthy",
        "marking device as unhealthy",
        "marking all devices as unhealthy",
        "marking it unhealthy",
        "device will go unhealthy",
        "xidcriticalerror",
        "device unhealthy",
    )
    told = find(case, phrases, (PLUGIN,), ("log", "event"))
    quotes = [q for q in told if q.live or _lacks(case, q.node)]
    codes = [
        q
        for q in find(
            case, ("xidcriticalerror", "xid=", "critical xid", "xid error"), (PLUGIN,), ("log",)
        )
        if q.live or _lacks(case, q.node)
    ]
    less = _less(case)
    kernel = _critical(case, "" if less is None else less[0].metadata.name)
    if xid and (codes or (quotes and kernel)):
        return (result(says, codes or quotes, at=0.94, more=kernel),)
    if xid and less is not None and kernel:
        return (of_node(less[0], says, (*kernel, *_amounts(*less)), 0.9),)
    if not xid and not codes and not kernel:
        if quotes:
            return (result(says, quotes, at=0.9),)
        if less is not None:
            return (of_node(less[0], says, _amounts(*less), 0.86),)
    return _not_taken_back(case, says, told, xid=xid) if less is None else ()


def _not_taken_back(case: Case, says: str, told: list[Quote], *, xid: bool) -> Results:
    """Find plugins that called a GPU unhealthy since they began, where no number tells of it.

    A plugin takes no GPU back into service before it ends (k8s-device-plugin, plugin/server.go);
    but the kubelet still offers all of them, so that is worth a note where no user lacks one.
    """
    lacking = bool(case.troubles_of(WORKLOAD))
    present = {ref.where for ref, _, _ in case.logs if not ref.previous}
    for quote in told:
        where = quote.evidence.where.rpartition(":")[0]
        back = has_passed(case, quote, _TAKEN_OUT, _TAKEN_BACK)
        if where in present and not quote.live and not back:
            if xid != _names_xid(case, quote):
                return ()
            return (
                result(says, [quote], at=0.6) if lacking else note(result(says, [quote], at=0.45)),
            )
    return ()


_TAKEN_OUT = ("unhealthy",)
_TAKEN_BACK = ("marked healthy", "is healthy again", "recovered")


def _names_xid(case: Case, quote: Quote) -> bool:
    codes = find(case, ("xidcriticalerror", "critical xid"), (PLUGIN,), ("log",))
    return any(one.pod is quote.pod for one in codes)


_OF_PROGRAMS = frozenset({"13", "31", "43", "45", "68", "109"})
"""Xids for which the plugin keeps a GPU in service, as programs cause them (k8s-device-plugin,
internal/rm/health.go)."""
_XID = re.compile(r"NVRM: Xid \([^)]*\): (\d+)")


def _critical(case: Case, name: str) -> tuple[Evidence, ...]:
    """Return the first critical Xid in the kernel's messages of a node, of any without a name."""
    return tuple(
        Evidence(f"{ref.where}:{line.number}", shown(line.text))
        for ref, texts in case.texts_of_nodes(*KERNEL)
        if name in ("", ref.node)
        for text in texts
        for line in text.find(("nvrm: xid (",))
        if (match := _XID.search(line.text)) is not None and match[1] not in _OF_PROGRAMS
    )[:1]


def _amounts(node: Node, resource: str) -> tuple[Evidence, ...]:
    where, now = f"status of Node/{node.metadata.name}", node.status
    return (
        Evidence(where, f"capacity {resource}: {now.capacity[resource]}"),
        Evidence(where, f"allocatable {resource}: {now.allocatable.get(resource, '0')}"),
    )


def _lacks(case: Case, name: str) -> bool:
    less = _less(case)
    return less is not None and name in ("", less[0].metadata.name)


def _less(case: Case) -> tuple[Node, str] | None:
    """Return a node that offers less than it has of a resource, though its plugin runs.

    Of a plugin that went away, and of a resource that it has no more since the layout was changed,
    the kubelet keeps the capacity for minutes, and offers nothing.
    """
    for node in case.gpu_nodes:
        short = next((name for name in node.status.capacity if _offers_less(node, name)), "")
        if short and _offers_here(case, node):
            return node, short
    return None


_PARTS = ("nvidia.com/gpu", "nvidia.com/mig-")
"""How resources of the plugin begin; other programs have resources of this vendor, too."""


def _offers_less(node: Node, name: str) -> bool:
    has, offers = node.status.capacity[name], node.status.allocatable.get(name, "0")
    if not name.startswith(_PARTS) or not (has.isdigit() and offers.isdigit()):
        return False
    given = (a for n, a in node.status.allocatable.items() if n.startswith(_PARTS))
    changed = offers == "0" and any(amount not in ("", "0") for amount in given)
    return int(offers) < int(has) and not changed


def _offers_here(case: Case, node: Node) -> bool:
    """Tell whether a plugin runs on a node, or is none of a pod's, as some systems have it."""
    here = case.pods_on(node.metadata.name, PLUGIN)
    in_pods = case.managed or case.pods_of(PLUGIN) or case.sets_of(PLUGIN)
    return not in_pods or any(key(pod) not in case.trouble for pod in here)


def _with_xid(case: Case, says: str) -> Results:
    return _unhealthy(case, says, xid=True)


def _without_xid(case: Case, says: str) -> Results:
    return _unhealthy(case, says, xid=False)


MISSING = cause(
    "OCG1020",
    "device-plugin-configmap-missing",
    _CONFIG,
    "device-plugin",
    title="the ConfigMap of the device plugin exists",
    says="the ConfigMap named for the device plugin does not exist in the operator's namespace",
    means="devicePlugin.config.name refers to a ConfigMap in the namespace of the operands; "
    "elsewhere it is not found, and "
    "the pods wait for their volume.",
    remedy=(
        "oc get configmaps -n {namespace}",
        "oc create configmap NAME -n {namespace} --from-file=any=CONFIG.yaml",
    ),
    look=_missing,
)
WRONG = cause(
    "OCG1021",
    "device-plugin-config-wrong",
    _CONFIG,
    "device-plugin",
    title="the configuration of the device plugin that exists is the one in use",
    says="a configuration of the device plugin exists, but it is not the one in use, or cannot be "
    "used",
    means="A ConfigMap takes effect where devicePlugin.config.name names it and either default or "
    "the node's label "
    "nvidia.com/device-plugin.config picks one of its keys.",
    remedy=(
        "oc get clusterpolicy -o jsonpath='{.items[*].spec.devicePlugin.config}'",
        "oc label node {node} nvidia.com/device-plugin.config=KEY --overwrite",
        (
            "oc rollout restart -n {namespace} daemonset/nvidia-device-plugin-daemonset"
            "   # reads a ConfigMap that was changed in place"
        ),
    ),
    look=_wrong,
)
SYMLINK = cause(
    "OCG1022",
    "device-plugin-config-symlink",
    _CONFIG,
    "device-plugin",
    title="the configuration manager can switch its link",
    says="the configuration manager of the device plugin fails to switch its configuration link",
    means="It makes a link to the chosen configuration and finds one there that it cannot replace.",
    remedy=("oc delete pod -n {namespace} {pod}",),
    look=said(
        "symlink*file exists",
        "failed to create symlink",
        "unable to create symlink",
        "error updating symlink",
        "unable to update symlink",
        "error creating symlink",
        "error removing existing config",
        "error evaluating realpath of",
        by=(PLUGIN, GFD),
        at=0.94,
    ),
)
XID = cause(
    "OCG1040",
    "gpu-marked-unhealthy-xid",
    _HARDWARE,
    "device-plugin",
    title="no GPU was taken out of service for an Xid",
    says="the device plugin took a GPU out of service after a critical Xid error",
    means="The driver reported an error of the card or of its memory. The plugin offers the card "
    "no more until it starts "
    "anew; NVIDIA's Xid catalogue says which errors want a reset and which another card.",
    remedy=(
        "oc debug node/{node} -- chroot /host dmesg | grep -i xid",
        (
            "oc adm drain {node} --ignore-daemonsets --delete-emptydir-data   # then reset the "
            "GPU or "
            "reboot"
        ),
    ),
    look=_with_xid,
)
UNHEALTHY = cause(
    "OCG1041",
    "gpu-marked-unhealthy",
    _HARDWARE,
    "device-plugin",
    title="the node offers all GPUs that it has",
    says="the device plugin reports GPUs as unhealthy",
    means="The node has more GPUs than it offers, and nothing that was gathered says why.",
    remedy=(
        "oc logs -n {namespace} -l app=nvidia-device-plugin-daemonset",
        "oc debug node/{node} -- chroot /host dmesg | grep -iE 'xid|nvrm'",
    ),
    look=_without_xid,
)

CAUSES = (
    MISSING,
    SYMLINK,
    WRONG,
    XID,
    UNHEALTHY,
)
