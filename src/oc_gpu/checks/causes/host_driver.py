"""Layer driver: a driver on the host, and the driver of before that is still in use."""

import re

from oc_gpu.checks.case import Case, key
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.upgrading import held, not_upgraded, outlived
from oc_gpu.checks.components import (
    DCGM,
    DRIVER,
    EXPORTER,
    GFD,
    ON_NODE,
    PLUGIN,
    SANDBOX,
    TOOLKIT,
    VFIO,
    VGPU_MANAGER,
    WORKLOAD,
    wants_gpu,
)
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import Quote, about, any_of, cause, find, note, result
from oc_gpu.checks.troubles import PULLING, Trouble
from oc_gpu.snapshot.kinds import Node

_IN_USE = (
    "could not unload nvidia driver kernel modules",
    "module nvidia is in use",
    "module nvidia_uvm is in use",
    "module nvidia_modeset is in use",
    "module nvidia_drm is in use",
    "rmmod: error: module nvidia",
    "driver is in use",
    "driver is currently in use",
    "failed to unload*nvidia",
    "unable to unload*nvidia",
    "auto eviction of gpu pods*is disabled",
    "failed to uninstall nvidia driver",
    "auto drain of the node*is disabled",
    "cannot unload*nvidia",
    "unable to drain node",
    "failed to drain node",
    "failed to evict",
    "cannot delete pods with local storage",
    "cannot delete pods not managed",
    "cannot delete pods declare no controller",
    "until all gpu pods are drained",
    "still hold gpu resource claims",
    "previous nvidia driver installation cannot be removed",
    "an instance of the nvidia driver is already running",
)
"""What the driver and its manager say that cannot take the driver of before away. The manager
drains a node only where the module is in use."""
_LOADED = (
    "driver module is already loaded",
    "driver is already loaded",
    "already loaded with refcount",
    "an nvidia kernel module 'nvidia*' appears to be already loaded",
    "appears to already be loaded in your kernel",
    "nvidia kernel module*already loaded",
)
_ON_HOST = (
    "driver is pre-installed on the host",
    "driver is already pre-installed on the node",
    "detected pre-installed driver on the host",
    "existing nvidia driver",
    "nvidia driver is already installed",
    "an existing nvidia kernel module was detected",
    "driver installed on the host",
    "alternate method of installing the nvidia driver was detected",
    "host driver is",
    "host driver installation detected",
    "nvidia-installer*package manager",
)
_PACKAGES = (
    "nvidia-driver",
    "nvidia-compute",
    "nvidia-utils",
    "xorg-x11-drv-nvidia",
    "kmod-nvidia",
    "nvidia-dkms",
    "nvidia-kernel",
    "nvidia-open-driver",
    "signed-open-driver",
    "libnvidia-compute",
    "cuda-drivers",
    "nvidia-gfxg",
    "nvidia-headless",
)
PACKAGE_FILES = ("installed-rpms", "installed-debs", "dpkg_-l", "package-data", "rpm_-qa")
"""Files of a node that list its packages."""


def _driver_fails(case: Case) -> list[Trouble]:
    return [t for t in case.troubles_of(DRIVER) if t.state not in PULLING]


def _lspci(case: Case) -> list[tuple[Node, Evidence]]:
    """Return nodes whose card the nvidia driver holds, though the driver pod is not up."""
    down = {t.pod.spec.node_name for t in _driver_fails(case)}
    nodes = [node for node in case.snapshot.nodes if node.metadata.name in down]
    held = [
        (node, Evidence(f"lspci of Node/{node.metadata.name}", "Kernel driver in use: nvidia"))
        for node in nodes
        if any(d.driver == "nvidia" for d in case.devices.get(node.metadata.name, []))
    ]
    return held + [
        (node, Evidence(f"modules of Node/{node.metadata.name}", "nvidia is loaded"))
        for node in nodes
        if "nvidia" in case.modules.get(node.metadata.name, ())
    ]


def _packages(case: Case) -> list[Evidence]:
    found = []
    for ref, texts in case.texts_of_nodes(*PACKAGE_FILES):
        for text in texts:
            for name in _PACKAGES:
                line = next(text.find((name,)), None)
                if line is not None:
                    found.append(Evidence(f"{ref.where}:{line.number}", line.text.strip()))
    return found


def _history(case: Case) -> bool:
    """Tell whether the operator's own driver worked on these nodes before.

    That its upgrade is done is said of drivers that never worked, too.
    """
    return any(
        any(name.startswith("nvidia.com/") for name in node.status.capacity)
        or node.metadata.labels.get("nvidia.com/gpu-driver-upgrade-state", "")
        not in ("", "unknown", "upgrade-done")
        or "nvidia.com/gpu.product" in node.metadata.labels
        for node in case.gpu_nodes
    )


def _users(case: Case, node: str) -> list[Evidence]:
    """Return the pods on a node that hold GPUs."""
    return [
        Evidence(f"Pod/{pod.metadata.name} in {pod.metadata.namespace}", "holds a GPU on this node")
        for pod in case.pods_of(WORKLOAD)
        if wants_gpu(pod) and pod.spec.node_name == node and key(pod) not in case.trouble
    ]


def _quotes(case: Case, phrases: tuple[str, ...]) -> list[Quote]:
    return [q for q in find(case, phrases, (DRIVER, VGPU_MANAGER)) if q.live]


def _in_use(case: Case, says: str) -> Results:
    direct = _quotes(case, _IN_USE) + _by_count(case)
    loaded = _quotes(case, _LOADED)
    if not direct and not loaded:
        held = [(n, e) for n, e in _lspci(case) if _users(case, n.metadata.name)]
        if held and _history(case):
            node, evidence = held[0]
            more = (evidence, *_users(case, node.metadata.name)[:1])
            return (_made(case, node, says, more, 0.7),)
        return _manager_stopped(case, says) or _by_clients(case, says)
    quotes = direct or loaded
    users = _users(case, quotes[0].node)
    if _packages(case) or _quotes(case, _ON_HOST):
        at = 0.55
    elif direct:
        at = 0.92
    else:
        at = 0.86 if users or _history(case) else 0.6
    return (result(says, quotes, at=at, more=tuple(users[:2])),)


_MODULE = re.compile(r"^nvidia \d+ (?P<users>\d+) (?P<by>\S+) Live\b")
"""The line of the NVIDIA module in /proc/modules, which drivers before their manager print."""


def _by_count(case: Case) -> list[Quote]:
    """Return lines of a module that is loaded, and used by more than the modules above it."""
    return [
        quote
        for quote in _quotes(case, ("nvidia * live 0x",))
        if (match := _MODULE.match(quote.evidence.quote)) is not None
        and int(match["users"]) > len([name for name in match["by"].split(",") if name])
    ]


def _by_clients(case: Case, says: str) -> Results:
    """Guess why a driver fails without a word where programs of the stack still use the GPU."""
    for one in case.troubles_of(DRIVER, fails=True) if _history(case) else []:
        name = one.pod.spec.node_name
        held = any(d.driver == "nvidia" for d in case.devices.get(name, []))
        clients = [p for p in case.pods_on(name, *_CLIENTS) if key(p) not in case.trouble]
        node = case.node(name)
        if held and clients and not one.init and node is not None and one.state not in PULLING:
            evidence = (
                Evidence(f"lspci of Node/{name}", "Kernel driver in use: nvidia"),
                Evidence(f"Pod/{clients[0].metadata.name}", "runs, and uses the GPU"),
            )
            return (_made(case, node, says, evidence, 0.47),)
    return ()


_CLIENTS = (PLUGIN, DCGM, EXPORTER)
"""Operands that use a GPU all the time."""


def _manager_stopped(case: Case, says: str) -> Results:
    """Find managers that end without a word of why, where a driver of ours ran before.

    To take that one away is all that a manager does.
    """
    silent = not any(part == DRIVER and "manager" in ref.container for ref, _, part in case.logs)
    for one in case.troubles_of(DRIVER, fails=True) if silent and _history(case) else []:
        if "manager" in one.container and one.state not in PULLING:
            name = one.pod.metadata.name
            evidence = (
                Evidence(f"status of Pod/{name}", f"{one.container} {one.state}"),
                *_users(case, one.pod.spec.node_name)[:1],
            )
            objects, told = (f"Pod/{name}",), about(one.pod, one.container)
            return (
                Result(Severity.ERROR, says, None, objects, evidence, confidence=0.55, about=told),
            )
    return ()


def _made(case: Case, node: Node, says: str, evidence: tuple[Evidence, ...], at: float) -> Result:
    name = node.metadata.name
    pod = next(iter(case.pods_on(name, DRIVER)), None)
    objects = (f"Node/{name}",)
    told = about(pod, "", name)
    return Result(Severity.ERROR, says, None, objects, evidence, confidence=at, about=told)


def _installed(case: Case, says: str) -> Results:
    held = [q for q in find(case, _NOT_FOR_GUESTS, (SANDBOX, VFIO), ("log",)) if q.live]
    if held:
        return (result(says, held, at=0.93),)
    if case.setting("driver", "enabled") is False:
        return ()
    if not _driver_fails(case):
        return _called_installed(case, says)
    packages, quotes = _packages(case), _quotes(case, _ON_HOST)
    if quotes:
        return (result(says, quotes, at=0.93, more=tuple(packages[:1])),)
    if packages:
        return (_by_packages(case, says, packages),)
    return () if _quotes(case, _IN_USE) or _history(case) else _loaded(case, says)


_NOT_FOR_GUESTS = ("device not bound to 'vfio-pci'*driver: 'nvidia'",)
"""What the validation says of cards that are meant for virtual machines and have the host's
driver."""


def _called_installed(case: Case, says: str) -> Results:
    """Find nodes that the driver's manager left to a driver of the host, and that are not well."""
    label = "nvidia.com/gpu.deploy.driver"
    for node in case.labelled:
        name = node.metadata.name
        ill = [t for t in case.troubles_of(*ON_NODE) if t.pod.spec.node_name == name]
        cards = case.cards(name)
        if cards and not any(card.driver for card in cards):
            continue
        if node.metadata.labels.get(label) == "pre-installed" and ill:
            evidence = (
                Evidence(f"labels of Node/{name}", f"{label}: pre-installed"),
                Evidence(
                    f"status of Pod/{ill[0].pod.metadata.name}",
                    f"{ill[0].container} {ill[0].state}",
                ),
            )
            at = 0.75 if any(t.container == "driver-validation" for t in ill) else 0.5
            return (_made(case, node, says, evidence, at),)
    return ()


def _by_packages(case: Case, says: str, packages: list[Evidence]) -> Result:
    held = _lspci(case)
    evidence = (*packages[:2], *(e for _, e in held[:1]))
    if held:
        return _made(case, held[0][0], says, evidence, 0.92)
    return Result(Severity.ERROR, says, evidence=evidence, confidence=0.85)


_RUNS = "not ready"
"""State of a driver container that runs: then it may have loaded the module itself."""


def _loaded(case: Case, says: str) -> Results:
    """Find a driver that is loaded where the operator never had one."""
    runs = {t.pod.spec.node_name for t in _driver_fails(case) if t.state == _RUNS}
    held = [(node, e) for node, e in _lspci(case) if node.metadata.name not in runs]
    loaded = _quotes(case, _LOADED)
    if loaded:
        return (result(says, loaded, at=0.85),)
    if held:
        return (_made(case, held[0][0], says, (held[0][1], *_smi(case)), 0.82),)
    return ()


def _smi(case: Case) -> tuple[Evidence, ...]:
    for ref, texts in case.texts_of_nodes("nvidia-bug-report"):
        for text in texts:
            line = next(text.find(("driver version",)), None)
            if line is not None:
                return (Evidence(f"{ref.where}:{line.number}", line.text.strip()),)
    return ()


_MISMATCH = (
    "driver/library version",
    "driver*library version mismatch",
    "api mismatch: the client has the version",
    "kernel module*version*does not match",
    "rm version mismatch",
)
_LIBRARY = ("ml library version: ",)
"""What nvidia-smi says of a library that is not the module's, and in no other case."""


_OTHER_DRIVER = ("unsupported display driver / cuda driver combination", *_MISMATCH)
"""What CUDA says of a library and a module that are of different drivers."""


_USERS = (WORKLOAD, PLUGIN, GFD, DCGM, EXPORTER)
_LOST = ("couldn't communicate with the nvidia driver", "cuda unknown error")
"""What programs say that had a card before the driver was taken from under them."""


def _is_older(case: Case, quote: Quote) -> bool:
    """Tell whether who says it began before the driver that runs on its node now.

    A driver of the host has no pod: there it began before the plugin, which finds the driver well.
    """
    if quote.pod is None:
        return False
    began = quote.pod.metadata.creation_timestamp
    after = case.pods_on(quote.node, DRIVER) or case.pods_on(quote.node, PLUGIN)
    return bool(began) and any(began < one.metadata.creation_timestamp for one in after)


def _old_pods(case: Case, says: str) -> Results:
    """Find pods with GPUs that began before the driver on their node did."""
    ill = {t.pod.spec.node_name for t in case.troubles_of(WORKLOAD)}
    said = find(case, _MISMATCH, None, ("log", "event", "state", "kernel"))
    tried = find(case, _LIBRARY, tuple(ON_NODE), ("log",))
    said += [quote for quote in tried if quote.container.endswith("-validation")]
    quotes = [q for q in said if q.live or (q.source == "kernel" and q.node in ill)]
    if quotes:
        return (result(says, quotes, at=0.9),)
    late = [q for q in find(case, _OTHER_DRIVER, _USERS, ("log",)) if _is_older(case, q)]
    if late:
        return (result(says, late, at=0.85),)
    lost = [q for q in find(case, _LOST, (WORKLOAD,), ("log",)) if _is_older(case, q)]
    if lost and not case.unwell:
        return (note(result(says, lost, at=0.45)),)
    if not case.unwell and not case.troubles_of(WORKLOAD):
        return ()
    for driver in case.pods_of(DRIVER):
        born = driver.metadata.creation_timestamp
        node = driver.spec.node_name
        for pod in case.pods_on(node, WORKLOAD, *(ON_NODE - {DRIVER, TOOLKIT})):
            older = pod.metadata.creation_timestamp and pod.metadata.creation_timestamp < born
            if node and older and pod.status.phase == "Running" and key(pod) in case.trouble:
                if case.trouble[key(pod)].container.endswith("-validation"):
                    continue
                if key(driver) in case.trouble or not wants_gpu(pod):
                    continue
                name = pod.metadata.name
                evidence = (
                    Evidence(f"Pod/{name}", f"created {pod.metadata.creation_timestamp}"),
                    Evidence(f"Pod/{driver.metadata.name}", f"created {born}"),
                )
                objects = (f"Pod/{name}",)
                told = about(pod)
                return (
                    Result(
                        Severity.ERROR, says, None, objects, evidence, confidence=0.7, about=told
                    ),
                )
    return ()


HOST = cause(
    "OCG0850",
    "host-driver-installed",
    "host-driver",
    "driver",
    title="no NVIDIA driver is installed on the hosts beside the driver container",
    says="an NVIDIA driver is installed on the host and conflicts with the driver container",
    means="Only one of the two can be: either the operator's driver container, or a driver on the "
    "host with "
    "driver.enabled=false.",
    remedy=(
        (
            "oc debug node/{node} -- chroot /host sh -c 'cat /proc/driver/nvidia/version; lsmod | "
            "grep nvidia'"
        ),
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"driver":{"enabled":false}}}\''
        ),
        "or remove the host's driver and reboot the node",
    ),
    look=_installed,
)
IN_USE = cause(
    "OCG0853",
    "driver-in-use-cannot-unload",
    "driver-upgrade",
    "driver",
    title="the driver of before can be unloaded",
    says="the operator's earlier driver is still used by GPU clients, so the new driver pod "
    "cannot unload it",
    means="A module in use is not unloaded. Pods that hold GPUs have to go first, by the upgrade "
    "controller or by hand.",
    remedy=(
        "oc get pods -A -o wide --field-selector spec.nodeName={node}",
        "oc adm drain {node} --ignore-daemonsets --delete-emptydir-data",
        (
            "oc label node {node} nvidia.com/gpu-driver-upgrade-state=upgrade-required --overwrite"
            "   # where it says upgrade-failed: lets the operator try again"
        ),
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"driver":{"upgradePolicy":{"autoUpgrade":true,"drain":{"enable":true}}}}}\''
        ),
    ),
    look=any_of(_in_use, not_upgraded),
)
OLD_PODS = cause(
    "OCG0854",
    "driver-upgrade-stale-gpu-pods",
    "driver-upgrade",
    "driver",
    title="pods with GPUs use the driver that is loaded",
    says="pods with GPUs are older than the driver pod and still use the earlier driver",
    means="Their libraries are of the driver that was there when they began; the kernel has "
    "another one now.",
    remedy=("oc delete pod -n {namespace} {pod}   # and the others with GPUs on {node}",),
    look=any_of(_old_pods, outlived, held),
)

CAUSES = (HOST, IN_USE, OLD_PODS)
