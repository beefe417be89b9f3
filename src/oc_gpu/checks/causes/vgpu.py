"""Layer driver: virtual GPUs."""

import re

from oc_gpu.checks.ages import is_starting
from oc_gpu.checks.case import Case, offers_gpu
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.driver import FRACTION, INSTANCE
from oc_gpu.checks.causes.host_driver import PACKAGE_FILES
from oc_gpu.checks.components import (
    DRIVER,
    PLUGIN,
    SANDBOX,
    TOOLKIT,
    VALIDATOR,
    VGPU_CONFIG,
    VGPU_MANAGER,
    WORKLOAD,
)
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import (
    Quote,
    about,
    cause,
    find,
    has_passed,
    note,
    of_node,
    of_pod,
    result,
)
from oc_gpu.checks.troubles import PULLING

_VGPU = "vgpu"
_ALL = ("log", "event", "state", "kernel", "journal", "client")
_LICENSED = (DRIVER, PLUGIN, VALIDATOR, "kernel", "client")
"""Whoever speaks of the licence of the driver, not of one that a workload wants for itself."""


def _unlicensed(case: Case, says: str) -> Results:
    phrases = (
        "license status*: unlicensed",
        "unlicensed (restricted)",
        "unlicensed (unrestricted)",
        "unlicensed restricted",
        "vgpu is in unlicensed",
        "nvidia rtx virtual workstation*unlicensed",
        "is unlicensed",
        "status : unlicensed",
        "license*has expired",
        "not licensed",
        "license status*unlicensed",
    )
    quotes = find(case, phrases, _LICENSED, _ALL) + reports(case, phrases)
    quotes += [q for q in find(case, _BEGAN, _LICENSED, _ALL) if not _got_it(case, q, _BEGAN)]
    quotes += [q for q in find(case, _NO_FILES, (DRIVER,), ("log",)) if q.live]
    if quotes:
        return (result(says, quotes, at=0.9),)
    return _refused(case, says) or _licence_not_told(case)


def _got_it(case: Case, quote: Quote, phrases: tuple[str, ...]) -> bool:
    """Tell whether a guest that began without licence has it now, by its daemon or nvidia-smi."""
    shown = {q.node for q in reports(case, ("license status*: licensed",))}
    return quote.node in shown - {""} or has_passed(case, quote, phrases, _ACQUIRED)


_BEGAN = ("valid grid license not found", "valid license not found")
"""What the daemon of a guest says at its start, and for good where it gets no licence."""
_ACQUIRED = ("license acquired successfully", "license renewed successfully")
_NO_FILES = ("/drivers/gridd.conf*no such file", "/drivers/clientconfigtoken*no such file")
"""What the guest's driver container says where no licensingConfig is mounted."""


_NOT_TOLD = "the node has a virtual GPU, and whether it has its licence is not in what was read"


def _licence_not_told(case: Case) -> Results:
    """Note nodes with virtual GPUs of whose licence nobody says anything, and nobody set one up."""
    if case.setting("driver", "licensingConfig") or reports(case, ("license", "License")):
        return ()
    for node in case.gpu_nodes:
        labels, name = node.metadata.labels, node.metadata.name
        kind = labels.get(INSTANCE, "")
        told = f"instance type {kind}" if FRACTION.match(kind) else ""
        told = f"{_PRESENT}: true" if labels.get(_PRESENT) == "true" else told
        if told and offers_gpu(node):
            found = of_node(node, _NOT_TOLD, (Evidence(f"labels of Node/{name}", told),), 0.3)
            return (note(found),)
    return ()


_PRESENT = "nvidia.com/vgpu.present"
"""Label of GPU Feature Discovery on nodes whose GPU is a virtual one."""


def _refused(case: Case, says: str) -> Results:
    """Find CUDA that is refused on an instance type that gives a vGPU only."""
    phrases = ("busy or unavailable", "cuda error", "cuda_error", "nvml: unknown error")
    for quote in find(case, phrases, (WORKLOAD, VALIDATOR, PLUGIN), ("log",)):
        node = case.node(quote.node)
        kind = node.metadata.labels.get(INSTANCE, "") if node is not None else ""
        if FRACTION.match(kind) and (quote.live or quote.component == WORKLOAD):
            more = Evidence(f"labels of Node/{quote.node}", f"instance type {kind}")
            return (result(says, [quote], at=0.72 if quote.live else 0.55, more=(more,)),)
    return ()


def reports(case: Case, phrases: tuple[str, ...]) -> list[Quote]:
    """Return lines of nvidia-smi in bug reports."""
    found = []
    for ref, texts in case.texts_of_nodes("nvidia-bug-report", "nvidia-smi"):
        for phrase in phrases:
            parts = tuple(part for part in phrase.split("*") if part)
            for text in texts:
                line = next(text.find(parts), None)
                if line is not None:
                    evidence = Evidence(f"{ref.where}:{line.number}", line.text.strip())
                    found.append(
                        Quote(
                            evidence,
                            live=True,
                            component="nvidia-smi",
                            node=ref.node,
                            source="kernel",
                        )
                    )
    return found


_SERVER = (
    "failed to acquire license",
    "failed to acquire/renew license",
    "failed to renew license",
    "license server*unreachable",
    "failed to communicate with license server",
    "unable to connect to license server",
    "error communicating with license server",
    "failed to connect to license server",
    "nvidia-gridd*error",
    "nvidia-gridd*failed",
    "client_configuration_token*not",
    "license acquisition failed",
    "no valid client configuration token",
    "invalid*configuration token",
    "licensing*server*timeout",
    "client fingerprint mismatch",
    "no valid lease found",
    "nvidia-gridd*mismatch between client and server",
    "nvidia-gridd*lease*failed",
    "nvidia-gridd*invalid feature type",
    "nvidia-gridd*failed*lease",
    "nvidia-gridd*failed*trusted store",
)
_PACKAGE = (
    "nvidia-vgpud: no such file",
    "nvidia-vgpu-mgr: no such file",
    "nvidia-vgpud: command not found",
    "nvidia-vgpu-mgr: command not found",
    "sriov-manage: no such file",
    "sriov-manage: command not found",
    "nvidia-vgpud*not found",
    "nvidia-vgpu*not found",
    "not a vgpu host",
    "no vgpu manager",
    "is not a vgpu",
    "-vgpu-kvm*no such file",
    "-vgpu-kvm*not found",
    "nvidia-linux-*no such file",
    "nvidia-linux-*not found",
    "vgpu manager*not found in",
    "module nvidia_vgpu_vfio not found",
    "cannot find match for compatible vgpu driver",
)


_NO_CUDA = re.compile(r"\| NVIDIA-SMI \S+ [^|\n]*CUDA Version: N/A")
_HOST_PACKAGES = ("nvidia-vgpu-ubuntu", "nvidia-vgpu-rhel", "nvidia-vgpu-ub", "-vgpu-kvm")
"""Packages of the driver for hosts of virtual machines: without CUDA and nvidia-uvm."""


def _host_package(case: Case, says: str) -> Results:
    """Find nodes with the driver for hosts of virtual machines where containers want CUDA."""
    lacks = [q for q in find(case, ("failed to load module nvidia-uvm",), _USES) if q.live]
    for quote in lacks:
        texts = [
            text.content
            for ref, pod, _ in case.logs
            if pod is not None and pod.spec.node_name == quote.node
            for text in case.snapshot.texts[ref]
        ]
        more = [
            Evidence(ref.where, line.text.strip())
            for ref, parts in case.texts_of_nodes(*PACKAGE_FILES)
            if ref.node == quote.node
            for text in parts
            for name in _HOST_PACKAGES
            for line in text.find((name,))
        ]
        if any(_NO_CUDA.search(text) for text in texts):
            more.append(Evidence("nvidia-smi", "CUDA Version: N/A"))
        if more:
            return (result(says, [quote], at=0.88, more=tuple(more[:2])),)
    return ()


_USES = (VALIDATOR, TOOLKIT, PLUGIN)
_NO_FIRMWARE = ("firmware load for nvidia/*/gsp*failed with error -2",)
"""How the kernel says that a file of the driver's package is not there (ENOENT)."""


def _without_firmware(case: Case, says: str) -> Results:
    """Find managers that fail where the firmware of their driver is not on the host."""
    failing = {one.pod.spec.node_name: one for one in case.troubles_of(VGPU_MANAGER, fails=True)}
    for quote in find(case, _NO_FIRMWARE, None, ("kernel",)):
        one = failing.get(quote.node)
        if one is not None and one.state not in PULLING:
            state = f"{one.container} {one.state}"
            more = (Evidence(f"status of Pod/{one.pod.metadata.name}", state),)
            return (result(says, [quote], at=0.62, more=more),)
    return ()


_OF_GUEST = ("nvidia-gridd[", "nvidia-gridd:", "starting nvidia-gridd")
"""How the daemon speaks that asks for a guest's licence: the package for hosts has none."""


def _wrong_package(case: Case, says: str) -> Results:
    quotes = [q for q in find(case, _PACKAGE, (VGPU_MANAGER, DRIVER)) if q.live]
    if quotes:
        return (result(says, quotes, at=0.92),)
    gridd = [q for q in find(case, _OF_GUEST, (VGPU_MANAGER,), ("log",)) if q.live]
    if gridd:
        return (result(says, gridd, at=0.85),)
    if found := _host_package(case, says) or _without_firmware(case, says):
        return found
    for one in case.troubles_of(VGPU_MANAGER, fails=True):
        if one.state in PULLING:
            continue
        image = next((c.image for c in one.pod.spec.containers), "")
        guest = "grid" in image.rpartition(":")[2] or "guest" in image
        text = f"{one.container} {one.state}, image {image}"
        evidence = (Evidence(f"status of Pod/{one.pod.metadata.name}", text),)
        objects, told = (f"Pod/{one.pod.metadata.name}",), about(one.pod, one.container)
        spoke = any(ref.pod == one.pod.metadata.name for ref, _, _ in case.logs)
        at = 0.8 if guest else 0.4 if spoke else 0.55
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=at, about=told),)
    return _not_seen(case, says)


def _not_seen(case: Case, says: str) -> Results:
    """Guess why what waits for a manager does not see it, though it runs."""
    for one in case.troubles_of(SANDBOX, VGPU_CONFIG):
        here = case.pods_on(one.pod.spec.node_name, VGPU_MANAGER)
        well = here and not case.troubles_of(VGPU_MANAGER)
        if well and one.container == "vgpu-manager-validation" and not is_starting(case, one):
            evidence = (
                Evidence(f"status of Pod/{one.pod.metadata.name}", f"{one.container} waits"),
                Evidence(f"status of Pod/{here[0].metadata.name}", "ready"),
            )
            return (of_pod(one.pod, says, evidence, 0.42, one.container),)
    return ()


def _config(case: Case, says: str) -> Results:
    label = "nvidia.com/vgpu.config.state"
    node = next((n for n in case.snapshot.nodes if n.metadata.labels.get(label) == "failed"), None)
    phrases = (
        "failed to apply*vgpu",
        "error applying vgpu",
        "failed to create vgpu",
        "error getting vgpu config",
        "unable to apply config",
        "unable to create*vgpu",
        "unable to get*vgpu*type",
        "unable to*mdev",
        "vgpu device config*fail",
        "not supported on gpu",
        "vgpu.config.state*failed",
        "vgpu type*is not supported",
        "unable to*vgpu configuration",
        "error clearing vgpuconfig",
        "does not match the requested configuration",
        "invalid vgpu config",
        "number of supported instances",
        "error setting vgpu config",
        "unable to read mdev devices",
        "no parent devices found",
        "selected vgpu-config not present",
        "unable to validate the selected vgpu",
    )
    every = find(case, phrases, (VGPU_CONFIG,))
    quotes = [q for q in every if q.live or node is not None or _gave_up(case, q, phrases)]
    quotes += [q for q in find(case, _NOT_MOUNTED, (VGPU_CONFIG,), ("event",)) if q.live]
    if node is not None:
        name = node.metadata.name
        evidence = (
            Evidence(f"labels of Node/{name}", f"{label}: failed"),
            *(quote.evidence for quote in quotes[:1]),
        )
        objects, told = (f"Node/{name}",), {"node": name}
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.92, about=told),)
    if quotes:
        return (result(says, quotes, at=0.9),)
    for one in case.troubles_of(VGPU_CONFIG, fails=True):
        evidence = (Evidence(f"status of Pod/{one.pod.metadata.name}", one.state),)
        objects, told = (f"Pod/{one.pod.metadata.name}",), about(one.pod)
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.7, about=told),)
    return _unknown_layout(case, says) or _no_devices(case, says)


_NOT_MOUNTED = ('configmap "*" not found',)
_APPLIED = ("successfully updated to vgpu config",)


def _gave_up(case: Case, quote: Quote, phrases: tuple[str, ...]) -> bool:
    """Tell whether a device manager only waits for another wish, as it could not meet the last.

    It does not end then, and is ready.
    """
    return quote.source == "log" and not has_passed(case, quote, phrases, _APPLIED)


_LAYOUT = "nvidia.com/vgpu.config"


def _unknown_layout(case: Case, says: str) -> Results:
    """Find nodes whose label asks for a layout of vGPUs that no configuration has."""
    texts = [
        str(text)
        for raw in case.snapshot.table("configmaps")
        for text in (raw.get("data") or {}).values()
        if "vgpu-configs:" in str(text)
    ]
    for node in case.snapshot.nodes:
        wanted = node.metadata.labels.get(_LAYOUT, "")
        known = any(re.search(rf"(?m)^\s+{re.escape(wanted)}:", text) for text in texts)
        if wanted and texts and not known:
            name = node.metadata.name
            evidence = (
                Evidence(f"labels of Node/{name}", f"{_LAYOUT}: {wanted}"),
                Evidence("ConfigMaps with vgpu-configs", "none has this layout"),
            )
            objects, told = (f"Node/{name}",), {"node": name}
            return (
                Result(Severity.ERROR, says, None, objects, evidence, confidence=0.9, about=told),
            )
    return ()


def _no_devices(case: Case, says: str) -> Results:
    """Find validations that wait for vGPUs, where the manager of the driver is well."""
    quotes = [q for q in find(case, ("no vgpu devices found",), (SANDBOX,), ("log",)) if q.live]
    if case.troubles_of(VGPU_MANAGER):
        return ()
    if quotes:
        return (result(says, quotes, at=0.7),)
    for one in case.troubles_of(SANDBOX):
        if one.container == "vgpu-devices-validation":
            evidence = (Evidence(f"status of Pod/{one.pod.metadata.name}", f"{one.state}"),)
            return (of_pod(one.pod, says, evidence, 0.48, one.container),)
    return ()


def _no_answer(case: Case, says: str) -> Results:
    """Find guests whose last word of the licence is that they got none."""
    quotes = find(case, _SERVER, _LICENSED, _ALL)
    quotes = [q for q in quotes if not _got_it(case, q, _SERVER)]
    return (result(says, quotes, at=0.93),) if quotes else ()


PACKAGE = cause(
    "OCG0860",
    "vgpu-wrong-package",
    _VGPU,
    "driver",
    title="the vGPU manager's image holds the host package",
    says="the vGPU manager, or the host, has the wrong or an incomplete driver package",
    means="A host of virtual machines wants the package named vgpu-kvm, which has no CUDA; the "
    "one named grid is for guests; containers on the host itself want the data-centre driver.",
    remedy=(
        "build the image from NVIDIA-Linux-x86_64-VERSION-vgpu-kvm.run",
        "oc logs -n {namespace} {pod}",
    ),
    look=_wrong_package,
)
CONFIG = cause(
    "OCG0861",
    "vgpu-config-failed",
    _VGPU,
    "driver",
    title="the vGPU devices that were asked for are there",
    says="the vGPU device configuration could not be applied on the host",
    means="The type does not exist for this card, does not fit beside the others, or a device is "
    "in use.",
    remedy=(
        "oc logs -n {namespace} -l app=nvidia-vgpu-device-manager",
        "oc get node {node} -o jsonpath='{.metadata.labels.nvidia\\.com/vgpu\\.config}'",
    ),
    look=_config,
)
SERVER = cause(
    "OCG0862",
    "vgpu-license-server-failed",
    _VGPU,
    "driver",
    title="vGPU guests get a licence",
    says="the vGPU guest cannot acquire a licence from the licence server",
    means="The token does not fit the server, the server cannot be reached or has no licence left.",
    remedy=(
        "oc get clusterpolicy -o jsonpath='{.items[*].spec.driver.licensingConfig}'",
        "oc exec -n {namespace} {pod} -c nvidia-driver-ctr -- nvidia-smi -q | grep -A2 License",
    ),
    look=_no_answer,
)
UNLICENSED = cause(
    "OCG0863",
    "vgpu-unlicensed",
    _VGPU,
    "driver",
    title="vGPU guests are licensed",
    says="the vGPU guest has no licence, so the driver limits or refuses work",
    means="A guest without licence is slowed down after some minutes, and CUDA is refused.",
    remedy=(
        "oc exec -n {namespace} DRIVER-POD -- nvidia-smi -q | grep -i 'license status'",
        (
            "oc create configmap licensing-config -n {namespace} --from-file=gridd.conf "
            "--from-file=client_configuration_token.tok"
        ),
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"driver":{"licensingConfig":{"configMapName":"licensing-config"}}}}\''
        ),
    ),
    look=_unlicensed,
)
CAUSES = (PACKAGE, CONFIG, SERVER, UNLICENSED)
