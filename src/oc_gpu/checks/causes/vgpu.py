"""Layer driver: virtual GPUs, the fabric of NVSwitch systems, and RDMA."""

import re

from oc_gpu.checks.case import Case
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.driver import FRACTION, INSTANCE, generations
from oc_gpu.checks.components import (
    DRIVER,
    ON_NODE,
    PLUGIN,
    VALIDATOR,
    VGPU_CONFIG,
    VGPU_MANAGER,
    WORKLOAD,
)
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import Quote, about, cause, find, result, said
from oc_gpu.checks.troubles import PULLING

_VGPU = "vgpu"
_FABRIC = "fabric"
_RDMA = "rdma"
_ALL = ("log", "event", "state", "kernel", "client")
_LICENSED = (DRIVER, PLUGIN, VALIDATOR, "kernel", "client")
"""Whoever speaks of the licence of the driver, not of one that a workload wants for itself."""
_NVSWITCH = ("22a3", "1af1", "1ac2", "22a0", "22a4")
"""Device ids of NVSwitch (PCI ID database)."""


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
    quotes = find(case, phrases, _LICENSED, _ALL) + _reports(case, phrases)
    return (result(says, quotes, at=0.9),) if quotes else _refused(case, says)


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


def _reports(case: Case, phrases: tuple[str, ...]) -> list[Quote]:
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
)


def _wrong_package(case: Case, says: str) -> Results:
    quotes = [q for q in find(case, _PACKAGE, (VGPU_MANAGER, DRIVER)) if q.live]
    if quotes:
        return (result(says, quotes, at=0.92),)
    for one in case.troubles_of(VGPU_MANAGER, fails=True):
        if one.state in PULLING:
            continue
        image = next((c.image for c in one.pod.spec.containers), "")
        guest = "grid" in image.rpartition(":")[2] or "guest" in image
        text = f"{one.container} {one.state}, image {image}"
        evidence = (Evidence(f"status of Pod/{one.pod.metadata.name}", text),)
        objects, told = (f"Pod/{one.pod.metadata.name}",), about(one.pod, one.container)
        at = 0.8 if guest else 0.55
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=at, about=told),)
    return ()


def _config(case: Case, says: str) -> Results:
    label = "nvidia.com/vgpu.config.state"
    node = next((n for n in case.snapshot.nodes if n.metadata.labels.get(label) == "failed"), None)
    phrases = (
        "failed to apply*vgpu",
        "error applying vgpu",
        "failed to create vgpu",
        "error getting vgpu config",
        "unable to create*vgpu",
        "unable to get*vgpu*type",
        "unable to*mdev",
        "vgpu device config*fail",
        "not supported on gpu",
        "vgpu.config.state*failed",
        "invalid vgpu config",
        "number of supported instances",
    )
    quotes = [q for q in find(case, phrases, (VGPU_CONFIG,)) if q.live or node is not None]
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
    return ()


_BADLY = ("failed to", "error", "unable to", "cannot", "could not", "fatal")
_MANAGER = (
    "fabric manager is not running",
    "fabricmanager*not running",
    "fabric manager*failed",
    "nv-fabricmanager*failed",
    "nv-fabricmanager*version",
    "fabric manager*version*mismatch",
    "fabric manager*does not match",
    "fabric manager is not initialized",
    "fabric state*: in progress",
    "cuda_error_system_not_ready",
    "system not yet initialized",
    "error 802",
    "nvswitch*not configured",
    "failed to start nv-fabricmanager",
    "nv-fabricmanager: command not found",
    "nvidia-fabricmanager*no such file",
    "unable to find a match: nvidia-fabric",
    "fabric-manager*not found",
    "unable to locate package nvidia-fabricmanager",
    "fabricmanager*error",
    "fabric manager*error",
    "failed to initialize nvswitch",
    "fabric manager config file item*invalid",
    "unknown option: *fabricmanager",
    "usage: *fabricmanager-start",
    "fabric manager cannot be started",
    "failed to start fabric manager",
    "fabric manager*not*start",
)
_NVLINK5 = (
    *(
        f"{part}*{word}"
        for part in ("nvlsm", "ib_umad", "nvlink5", "nvl5", "subnet manager", "umad", "libnvsdm")
        for word in ("not ", "no ", "fail", "error", "missing", "unable", "cannot", "could not")
    ),
    *(f"{word}*{part}" for part in ("nvlsm", "ib_umad") for word in _BADLY),
    "infiniband*not found",
    "no infiniband",
    "mlx5_core*not loaded",
    "failed to open umad",
    "fabric manager*cx7*not",
)
"""What is missing on such a system; that its parts were started is said where all is well, too."""


_NO_SWITCH = ("nothing to do [nv_warn_nothing_to_do]",)
"""What the fabric manager says where it finds no NVSwitch: of a system that needs it, or of any."""
_SWITCHED = re.compile(r"HBM3|SXM|H[12]00-(80|141)GB|B[23]00|GB[23]00")
"""Cards that are joined by NVSwitches, by their product label."""


def _fabric(case: Case, says: str) -> Results:
    switched = [
        name
        for name, devices in case.devices.items()
        if any(d.device in _NVSWITCH or d.kind == "0680" for d in devices)
    ]
    by = (*ON_NODE, WORKLOAD)
    quotes = [
        q for q in find(case, _MANAGER, by, ("log", "event", "state", "kernel", "client")) if q.live
    ]
    quotes += _reports(case, ("fabric manager*not", "state : in progress"))
    if quotes:
        more = tuple(Evidence(f"lspci of Node/{name}", "an NVSwitch") for name in switched[:1])
        return (result(says, quotes, at=0.92, more=more),)
    for one in case.troubles_of(VALIDATOR, fails=True):
        node = case.node(one.pod.spec.node_name)
        product = node.metadata.labels.get("nvidia.com/gpu.product", "") if node else ""
        joined = switched or _SWITCHED.search(product)
        if joined and one.container.startswith("cuda-"):
            name = one.pod.metadata.name
            evidence = (
                Evidence(f"status of Pod/{name}", f"{one.container} {one.state}"),
                Evidence(f"labels of Node/{one.pod.spec.node_name}", f"gpu.product: {product}"),
            )
            objects, told = (f"Pod/{name}",), about(one.pod, one.container)
            return (
                Result(Severity.ERROR, says, None, objects, evidence, confidence=0.64, about=told),
            )
    return _finds_no_switch(case, says, by)


def _finds_no_switch(case: Case, says: str, by: tuple[str, ...]) -> Results:
    quotes = [q for q in find(case, _NO_SWITCH, by, ("log", "kernel", "client")) if q.live]
    products = [n.metadata.labels.get("nvidia.com/gpu.product", "") for n in case.gpu_nodes]
    at = 0.9 if any(_SWITCHED.search(one) for one in products) else 0.4
    return (result(says, quotes, at=at),) if quotes else ()


def _nvlink5(case: Case, says: str) -> Results:
    quotes = [
        q for q in find(case, _NVLINK5, (DRIVER, VALIDATOR), ("log", "kernel", "client")) if q.live
    ]
    return (result(says, quotes, at=0.94),) if quotes else _without_umad(case, says)


def _without_umad(case: Case, says: str) -> Results:
    """Find CUDA that does not start on such a system, whose kernel lacks the module for it."""
    phrases = ("system not yet initialized", "cuda_error_system_not_ready", "error 802")
    for quote in find(case, phrases, (*ON_NODE, WORKLOAD)):
        modules = case.modules.get(quote.node, frozenset())
        new = "blackwell" in generations(case, quote.node)
        if quote.live and modules and new and "ib_umad" not in modules:
            more = Evidence(f"modules of Node/{quote.node}", "ib_umad is not loaded")
            return (result(says, [quote], at=0.93, more=(more,)),)
    return ()


_PEERMEM = ("nvidia-peermem-ctr", "nvidia-peermem")


def _peermem(case: Case, says: str, phrases: tuple[str, ...], at: float) -> Results:
    quotes = [
        q for q in find(case, phrases, (DRIVER, "kernel"), ("log", "kernel", "state")) if q.live
    ]
    return (result(says, quotes, at=at),) if quotes else ()


def _ofed(case: Case, says: str) -> Results:
    found = _peermem(
        case,
        says,
        (
            "could not insert 'nvidia_peermem'",
            "could not insert 'nvidia-peermem'",
            "could not insert module nvidia-peermem",
            "nvidia_peermem: disagrees about version of symbol",
            "nvidia_peermem: unknown symbol",
            "nv_peer_mem: disagrees about version",
            "nv_peer_mem: unknown symbol",
            "ib_register_peer_memory_client",
            "module nvidia-peermem not found",
            "module nvidia_peermem not found",
            "nvidia_peermem*invalid argument",
            "nvidia-peermem*invalid argument",
        ),
        0.94,
    )
    if found:
        return found
    for one in case.troubles_of(DRIVER, fails=True):
        if one.container in _PEERMEM and not _unbound(case, says):
            name = one.pod.metadata.name
            evidence = (Evidence(f"status of Pod/{name}", f"{one.container} {one.state}"),)
            objects, told = (f"Pod/{name}",), about(one.pod, one.container)
            return (
                Result(Severity.ERROR, says, None, objects, evidence, confidence=0.7, about=told),
            )
    return ()


def _unbound(case: Case, says: str) -> Results:
    quotes = [
        q
        for q in find(
            case,
            (
                "unbound variable",
                "parameter not set",
                "environment variable*not set",
                "must be set",
            ),
            (DRIVER,),
            ("log",),
        )
        if q.live and ("peermem" in q.container or "mofed" in q.evidence.quote.lower())
    ]
    return (result(says, quotes, at=0.93),) if quotes else ()


PACKAGE = cause(
    "OCG0860",
    "vgpu-wrong-package",
    _VGPU,
    "driver",
    title="the vGPU manager's image holds the host package",
    says="the vGPU manager image was built from the wrong or an incomplete driver package",
    means="The host wants the package named vgpu-kvm; the one named grid is for guests.",
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
    look=said(*_SERVER, by=_LICENSED, sources=_ALL, always=True, at=0.93),
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
NVLINK5 = cause(
    "OCG0870",
    "fabric-manager-nvlink5-prereq",
    _FABRIC,
    "driver",
    title="the fabric manager has what fifth-generation NVLink needs",
    says="a fifth-generation NVLink system lacks the modules or services that the fabric manager "
    "needs",
    means="On these systems the fabric is run through a subnet manager (nvlsm) over InfiniBand "
    "devices, which wants "
    "ib_umad and the network driver on the node.",
    remedy=(
        "oc debug node/{node} -- chroot /host sh -c 'lsmod | grep -E \"ib_umad|mlx5\"'",
        (
            "load ib_umad at boot (MachineConfig, /etc/modules-load.d) and use a driver image with "
            "nvlsm"
        ),
    ),
    look=_nvlink5,
)
FABRIC = cause(
    "OCG0871",
    "fabric-manager-not-running",
    _FABRIC,
    "driver",
    title="the fabric manager of NVSwitch systems runs",
    says="the fabric manager of an NVSwitch system is missing, or of another version than the "
    "driver",
    means="On systems with NVSwitch CUDA does not start before the fabric manager, of exactly the "
    "driver's version, has "
    "set the switches up.",
    remedy=(
        "oc logs -n {namespace} {pod} -c nvidia-driver-ctr | grep -i fabric",
        "with a driver on the host: install nvidia-fabricmanager of the driver's version",
    ),
    look=_fabric,
)
ENV = cause(
    "OCG0880",
    "peermem-env-missing",
    _RDMA,
    "driver",
    title="the peermem container has the variables that its script reads",
    says="the peermem container lacks an environment variable that its script needs",
    means="Operator and driver image are of releases that do not fit.",
    remedy=(
        "oc logs -n {namespace} {pod} -c nvidia-peermem-ctr",
        "update the operator, or pin an older driver image",
    ),
    look=_unbound,
)
OFED = cause(
    "OCG0881",
    "peermem-ofed-mismatch",
    _RDMA,
    "driver",
    title="nvidia-peermem fits the loaded network driver",
    says="nvidia-peermem was built against other network-driver symbols than are loaded",
    means="It links against the RDMA core of the kernel or of MOFED, whichever was there when it "
    "was built.",
    remedy=(
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"driver":{"rdma":{"enabled":true,"useHostMofed":true}}}}\'   # MOFED on '
            "the "
            "host"
        ),
        (
            "oc delete pod -n {namespace} {pod}   # builds it anew, after the network operator is "
            "ready"
        ),
    ),
    look=_ofed,
)

CAUSES = (PACKAGE, CONFIG, SERVER, UNLICENSED, NVLINK5, FABRIC, ENV, OFED)
