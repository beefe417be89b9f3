"""Layer container-toolkit: the driver is there, and containers do not get to see it."""

import re

from oc_gpu.checks.cards import can_split
from oc_gpu.checks.case import Case, key, offers_gpu
from oc_gpu.checks.catalogue import Results
from oc_gpu.checks.components import (
    DCGM,
    DRIVER,
    EXPORTER,
    GFD,
    PLUGIN,
    TOOLKIT,
    VALIDATOR,
    WORKLOAD,
)
from oc_gpu.checks.model import Evidence
from oc_gpu.checks.quotes import Quote, cause, find, of_pod, result, said
from oc_gpu.snapshot.kinds import Node, Pod

FAMILY = "container-toolkit"


UNSEEN = (
    "could not load nvml library",
    "failed to initialize nvml: error_library_not_found",
    "libnvidia-ml.so.1: cannot open shared object file",
    "libcuda.so.1: cannot open shared object file",
    "libnvidia-ml.so: cannot open",
    "if this is a gpu node, did you configure the nvidia container toolkit",
    "did you set the default docker runtime",
    "did you set the docker default runtime",
    "did you configure the nvidia",
    "incompatible platform detected",
    "detected non-nvml platform",
    "incompatible strategy detected auto",
    "invalid device discovery strategy",
    "no devices found. waiting indefinitely",
    "no labels generated from any source",
    'exec: "nvidia-smi": executable file not found',
    "nvidia-smi: command not found",
    "failed to initialize nvml: driver not loaded",
    "failed to initialize nvml: not found",
    "failed to initialize nvml: error_",
    "nvml: driver not loaded",
    "dcgm fails to initialize",
    "error starting nvml",
    "nvml doesn't exist on this system",
    "libdcgm.so not found",
    "error: dcgm*not*installed",
    "nvidia driver*not*found",
    "error validating toolkit installation",
    "toolkit is not ready",
    "could not find any nvml",
    "no nvidia gpu*detected",
    "failed to get device nodes",
    "unable to find nvidia",
    "unresolvable cdi devices",
    "cdi device injection failed",
    "failed to inject cdi",
    "nvidia-container-runtime*no such file",
    "nvidia-container-runtime-hook*no such file",
    "nvidia-container-runtime-hook*executable file not found",
    "nvidia-container-cli*load library failed",
    "no runtime binary found from candidate list",
    "found no nvidia driver on your system",
    "no nvidia driver is installed",
    "no cuda gpus are available",
    "could not find cuda drivers",
    "cuinit: cuda_error_no_device",
    "libcuda reported version is",
)
_UNRESOLVED = ("unresolvable cdi devices", "failed to inject cdi", "cdi device injection failed")
"""How a runtime says that the node has no description of the devices that a pod asks for."""
_NO_SPEC = ("failed to generate cdi spec", "failed to create cdi spec")
"""How the toolkit says that it could not write such a description."""
SEERS = (PLUGIN, GFD, VALIDATOR, DCGM, EXPORTER, WORKLOAD)


def unseen(case: Case) -> list[Quote]:
    """Return who does not see the driver, though nobody says that it is not loaded."""
    return [
        q
        for q in find(case, UNSEEN, SEERS, ("log", "event", "state"))
        if q.live or (q.pod is not None and useless(case, q.pod))
    ]


def useless(case: Case, pod: Pod) -> bool:
    """Tell whether a pod runs on a GPU node that offers no GPU, or gets no labels."""
    node = case.node(pod.spec.node_name)
    return node is not None and (not offers_gpu(node) or not labelled(node))


def labelled(node: Node) -> bool:
    """Tell whether GPU Feature Discovery has described a node."""
    return any(name.startswith("nvidia.com/gpu.product") for name in node.metadata.labels)


def _not_injected(case: Case, says: str) -> Results:
    quotes = unseen(case)
    quotes += [q for q in find(case, _UNRESOLVED, (TOOLKIT, WORKLOAD)) if q.live]
    quotes += [q for q in find(case, _NO_SPEC, (TOOLKIT,), ("log",)) if q.live]
    bare = _without_class(case)
    if quotes:
        return (result(says, quotes, at=0.82 if bare else 0.78, more=bare),)
    driver = {t.pod.spec.node_name for t in case.troubles_of(DRIVER)}
    for one in case.troubles_of(VALIDATOR):
        if one.container == "toolkit-validation" and one.fails:
            if one.pod.spec.node_name in driver or case.troubles_of(TOOLKIT):
                continue
            name = one.pod.metadata.name
            evidence = (Evidence(f"status of Pod/{name}", f"{one.container} {one.state}"),)
            return (of_pod(one.pod, says, evidence, 0.55, one.container),)
    return _nothing_offered(case, says)


def _nothing_offered(case: Case, says: str) -> Results:
    """Find plugins that somebody runs by himself, beside a driver that works, and for nothing."""
    for pod in case.pods_of(PLUGIN) if not case.managed else []:
        node, name = case.node(pod.spec.node_name), pod.metadata.name
        held = any(d.driver == "nvidia" for d in case.devices.get(pod.spec.node_name, []))
        silent = not any(ref.pod == name for ref in case.snapshot.texts)
        if _fails_to_split(case, pod):
            continue
        if held and silent and node is not None and not offers_gpu(node):
            evidence = (
                Evidence(f"lspci of Node/{node.metadata.name}", "Kernel driver in use: nvidia"),
                Evidence(f"status of Node/{node.metadata.name}", "offers no nvidia.com/gpu"),
                Evidence(f"Pod/{name}", "a device plugin without GPU Operator"),
            )
            return (of_pod(pod, says, evidence, 0.47),)
    return ()


def _fails_to_split(case: Case, pod: Pod) -> bool:
    """Tell whether a plugin fails that is to offer parts of cards, on a node where that may be."""
    one = case.trouble.get(key(pod))
    cards = case.cards(pod.spec.node_name)
    told = {c.variable("MIG_STRATEGY") for c in pod.spec.containers}
    told |= {a.partition("=")[2] for c in pod.spec.containers for a in c.args if _STRATEGY in a}
    splits = bool(told & {"single", "mixed"}) and any(can_split(card.device) for card in cards)
    return splits and one is not None and one.fails


_STRATEGY = "--mig-strategy="


def _without_class(case: Case) -> tuple[Evidence, ...]:
    """Return pods of the stack that lack the RuntimeClass which a neighbour of theirs has."""
    classes = {raw["metadata"]["name"] for raw in case.snapshot.table("runtimeclasses")}
    if "nvidia" not in classes:
        return ()
    for component, item in case.sets:
        if component in (PLUGIN, GFD, EXPORTER) and not item.spec.template.spec.runtime_class_name:
            where = f"DaemonSet/{item.metadata.name}"
            return (Evidence(where, "no runtimeClassName, though RuntimeClass/nvidia exists"),)
    return ()


_GONE = (
    "failed to initialize nvml: unknown error",
    "nvml: unknown error",
    "error: unknown error*nvml",
)


def _lost(case: Case, says: str) -> Results:
    quotes = [
        q
        for q in find(case, _GONE, (*SEERS, "client"), ("log", "client", "state"))
        if q.live or q.component == WORKLOAD
    ]
    if not quotes:
        return ()
    links = [
        Evidence(ref.where, "no link in /dev/char leads to an NVIDIA device")
        for ref, texts in case.texts_of_nodes("ls_-lanR_.dev")
        if any(
            "/dev/char" in t.content and not re.search(r"\d+:\d+ -> \.\./nvidia", t.content)
            for t in texts
        )
    ]
    return (result(says, quotes, at=0.92, more=tuple(links[:1])),)


CRUN = cause(
    "OCG0921",
    "crun-hook-regression",
    FAMILY,
    "container-toolkit",
    title="the low-level runtime runs NVIDIA's hook",
    says="a regression of the low-level runtime crun breaks the NVIDIA OCI hook",
    means="crun runs the hook and takes its result for a failure in some builds that came with "
    "z-stream updates of "
    "OpenShift. Later builds have the fix; CDI does not need the hook.",
    remedy=(
        "oc debug node/{node} -- chroot /host crun --version",
        "update OpenShift to a release with a later crun",
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"cdi":{"enabled":true,"default":true}}}\''
        ),
    ),
    look=said(
        "error executing hook `*nvidia",
        "error executing hook*nvidia-container-runtime-hook",
        "error executing hook*nvidia",
        "crun: error executing hook",
        at=0.94,
    ),
)
LDCACHE = cause(
    "OCG0922",
    "toolkit-legacy-ldcache",
    FAMILY,
    "container-toolkit",
    title="the NVIDIA container runtime reads the host's linker cache",
    says="the legacy mode of the NVIDIA container runtime cannot handle the host's linker cache",
    means="In legacy mode nvidia-container-cli runs the host's ldconfig in the container's root. "
    "It fails with "
    "newer C libraries or other layouts; CDI mode does without.",
    remedy=(
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"cdi":{"enabled":true,"default":true}}}\''
        ),
        'or set mode = "cdi" in /etc/nvidia-container-runtime/config.toml of {node}',
    ),
    look=said("ldcache error", "ldconfig terminated with signal", "/sbin/ldconfig*failed", at=0.95),
)
LOST = cause(
    "OCG0926",
    "nvml-lost-after-daemon-reload",
    FAMILY,
    "container-toolkit",
    title="running containers keep their GPU devices",
    says="running containers lost access to the GPU devices, because systemd reset their device "
    "rules",
    means="On systemd with its own cgroup driver, `systemctl daemon-reload` writes device rules "
    "anew and forgets "
    "those that the hook added, where /dev/char has no links to the devices.",
    remedy=(
        "oc delete pod -n {namespace} {pod}",
        (
            "nvidia-ctk system create-dev-char-symlinks --create-all   # on the node; GPU Operator "
            "22.9.2+ does it"
        ),
        "or use CDI, which gives the devices to the runtime",
    ),
    look=_lost,
)
NOT_INJECTED = cause(
    "OCG0929",
    "runtime-not-injecting-driver",
    FAMILY,
    "container-toolkit",
    title="containers with GPUs see the driver",
    says="the container runtime starts the pod without the NVIDIA runtime, hook or CDI devices, "
    "so that the driver is "
    "not visible inside",
    means="The driver is loaded on the node, and the container has neither its libraries nor its "
    "devices: NVIDIA's "
    "runtime is not the default one, and the pod does not ask for its RuntimeClass.",
    remedy=(
        "oc get pod {pod} -n {namespace} -o jsonpath='{.spec.runtimeClassName}'",
        "oc get runtimeclass",
        "oc logs -n {namespace} -l app=nvidia-container-toolkit-daemonset",
    ),
    look=_not_injected,
)

CAUSES = (
    CRUN,
    LDCACHE,
    LOST,
    NOT_INJECTED,
)
