"""Layer validator: proof that CUDA runs, and the metrics beside it."""

import re

from msgspec import structs

from oc_gpu.checks.case import Case, key, offers_gpu
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.components import DCGM, EXPORTER, OTHER, VALIDATOR, WORKLOAD, wants_gpu
from oc_gpu.checks.fitting import barred
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import Quote, about, any_of, cause, find, note, of_pod, result, said
from oc_gpu.checks.troubles import PULLING

_FAMILY = "validation"
_DCGM = "dcgm"

_CUDA = (VALIDATOR, WORKLOAD)
_BY_STATE = 0.48
"""Confidence of a validation that fails without a word: what keeps CUDA from starting is open."""
_PROFILING = (
    "third-party profiling module",
    "profiling module returned an unrecoverable error",
    "profiling*unrecoverable",
    "error watching fields",
    "resource*profiling*already in use",
    "failed to watch metrics",
    "affected resource is in use",
    "dcgmmoduleprofiling failed to initialize",
)
_NOT_TOGETHER = "cannot be collected in a single pass"
"""What DCGM says of counters that the card does not count at the same time."""
_MODULE = _PROFILING[:3]
"""Of these, what names the profiling module, whoever asks DCGM for it."""
_NO_LIBRARY = (
    "libdcgmmoduleprofiling*no such file",
    "libdcgmmoduleprofiling*cannot open shared object",
)
"""What DCGM says where its profiling module is not in the image: one that fails is there."""
_NOT_LOADED = (
    "module of dcgm that is not currently loaded",
    "profiling is not supported",
    "profiling*not supported",
    "feature not supported*prof",
    "does not support*profiling",
    "error watching fields*not supported",
)


_IS_OLD = re.compile(r"(?i)cuda driver v|insuff|forward compat|system not yet|error 802")
"""What CUDA says that tells more than that it does not start."""
_OF_PROGRAM = re.compile(
    r"(?i)illegal (memory access|address|instruction)|misaligned|out of memory|device-side assert|"
    r"launch (failure|failed|timed out|out of resources)|invalid (argument|value|configuration|"
    r"device (function|ordinal|symbol)|resource handle|image)|no kernel image|"
    r"error_(illegal|misaligned|out_of_memory|assert|launch|invalid|no_binary)"
)
"""What CUDA says of a program that does something wrong, or asks for more than there is."""


def fails_to_start(case: Case) -> list[Quote]:
    """Return what says that CUDA does not start, which is more than that a program fails."""
    quotes = find(
        case,
        (
            "failed to allocate device vector a (error code",
            "failed to allocate vector a (error code",
            "cuda_error_not_initialized",
            "error code initialization error",
            "system not yet initialized",
            "cudageterrorstring*initialization error",
            "cuinit*failed",
            "cuda_error_",
            "cuda error",
            "driver api error",
            "error code*unknown error",
            "cuda unknown error",
            "no cuda-capable device is detected",
            "all cuda-capable devices are busy",
            "unexpected error from cudagetdevicecount",
        ),
        _CUDA,
        ("log",),
    )
    return [
        q
        for q in quotes
        if q.live
        and not _IS_OLD.search(q.evidence.quote)
        and not (q.component == WORKLOAD and _OF_PROGRAM.search(q.evidence.quote))
    ]


def _cuda(case: Case, says: str) -> Results:
    if quotes := fails_to_start(case):
        return (result(says, quotes, at=0.76),)
    for one in case.troubles_of(VALIDATOR, fails=True):
        if one.container.startswith("cuda-"):
            text = f"{one.container} {one.state}"
            evidence = (Evidence(f"status of Pod/{one.pod.metadata.name}", text),)
            return (of_pod(one.pod, says, evidence, _BY_STATE, one.container),)
    return _of_plugin(case, says)


def _of_plugin(case: Case, says: str) -> Results:
    """Guess why a workload of the validation fails where a GPU is offered and free."""
    for one in case.troubles_of(VALIDATOR, fails=True):
        node = case.node(one.pod.spec.node_name)
        held = [p for p in case.pods_on(one.pod.spec.node_name, WORKLOAD) if wants_gpu(p)]
        offers = node is not None and offers_gpu(node)
        if one.container == "plugin-validation" and offers and not held:
            where = f"status of Pod/{one.pod.metadata.name}"
            evidence = (
                Evidence(where, f"{one.container} {one.state}"),
                Evidence(f"status of Node/{one.pod.spec.node_name}", "offers GPUs, none is held"),
            )
            return (of_pod(one.pod, says, evidence, 0.4, one.container),)
    return ()


_NO_ROOM = (
    "requested number of devices unavailable for nvidia.com/gpu",
    "insufficient nvidia.com/gpu",
    "no preferred allocation",
    "allocate failed due to",
)


def _busy(case: Case, says: str) -> Results:
    states = ("Unschedulable", "UnexpectedAdmissionError", "OutOfnvidia.com/gpu")
    stuck = [
        t
        for t in case.troubles_of(VALIDATOR)
        if t.state in states or t.container == "plugin-validation"
    ]
    stuck = [t for t in stuck if t.pod.spec.node_name or barred(case, t.pod) is None]
    quotes = [
        q
        for q in find(case, _NO_ROOM, (VALIDATOR,), ("log", "event", "state"))
        if q.live and (q.pod is None or q.pod.spec.node_name or barred(case, q.pod) is None)
    ]
    if not stuck and not quotes:
        return ()
    for node in case.gpu_nodes:
        name = node.metadata.name
        total = node.status.allocatable.get("nvidia.com/gpu", "0")
        users = [
            pod
            for pod in case.pods_of(WORKLOAD)
            if wants_gpu(pod) and pod.spec.node_name == name and pod.status.phase == "Running"
        ]
        asked = (
            str(c.resources.limits.get("nvidia.com/gpu", 0))
            for pod in users
            for c in pod.spec.containers
        )
        held = sum(int(amount) for amount in asked if amount.isdigit())
        if users and total.isdigit() and held >= int(total) > 0:
            evidence = (
                Evidence(f"status of Node/{name}", f"allocatable nvidia.com/gpu: {total}"),
                Evidence(f"Pod/{users[0].metadata.name}", f"workloads hold {held}"),
            )
            if quotes:
                return (result(says, quotes, at=0.93, more=evidence),)
            one = stuck[0]
            objects, told = (f"Pod/{one.pod.metadata.name}",), about(one.pod, one.container)
            return (
                Result(Severity.ERROR, says, None, objects, evidence, confidence=0.86, about=told),
            )
    return (result(says, quotes, at=0.85),) if quotes else ()


def _exporters(case: Case, quotes: list[Quote]) -> dict[str, list[str]]:
    """Return by node who may use the profiling module of its GPUs, and who says that it does."""
    found: dict[str, list[str]] = {}
    others = [q.pod for q in quotes if q.pod is not None and q.component not in (EXPORTER, DCGM)]
    for pod in (*case.pods_of(EXPORTER), *others):
        name = f"{pod.metadata.namespace}/{pod.controller or pod.metadata.name}"
        found.setdefault(pod.spec.node_name, []).append(name)
    return found


def _unsupported(case: Case, says: str) -> Results:
    """Find exporters that say so; one that runs on has left these metrics out, as it should."""
    missing = {id(q.pod) for q in _without_library(case)}
    quotes = [q for q in find(case, _NOT_LOADED, (EXPORTER, DCGM)) if id(q.pod) not in missing]
    failing = [q for q in quotes if q.pod is None or key(q.pod) in case.trouble]
    if failing:
        return (result(says, failing, at=0.93),)
    return (result(says, quotes, at=0.45, severity=Severity.WARNING),) if quotes else ()


def _without_library(case: Case) -> list[Quote]:
    """Return what says that the profiling module is not there to be loaded."""
    return find(case, _NO_LIBRARY, (EXPORTER, DCGM), ("log",))


def _not_in_image(case: Case, says: str) -> Results:
    """Find exporters without the profiling module; one that runs on leaves its metrics out."""
    del says
    quotes = _without_library(case)
    failing = [q for q in quotes if q.pod is None or key(q.pod) in case.trouble]
    if failing:
        return (result(_NOT_THERE, failing, at=0.85),)
    return (note(result(_NOT_THERE, quotes, at=0.45)),) if quotes else ()


_NOT_THERE = (
    "the profiling module of DCGM is not in the exporter's image, so that there are no profiling "
    "metrics"
)


def _profiling(case: Case, says: str, *, twice: bool) -> Results:
    every = find(case, _PROFILING, (EXPORTER, DCGM), ("log",))
    quotes = [q for q in every if q.live]
    quotes += [q for q in find(case, _MODULE, (OTHER, WORKLOAD), ("log",)) if q.live]
    lacking = find(case, _NOT_LOADED, (EXPORTER, DCGM), ("log",))
    quotes = [q for q in quotes if q.evidence not in [one.evidence for one in lacking]]
    apart = [q for q in quotes if _NOT_TOGETHER in q.evidence.quote]
    if apart:
        return () if twice else (result(says, apart, at=0.85),)
    several = [names for names in _exporters(case, quotes).values() if len(set(names)) > 1]
    if bool(several) != twice:
        return ()
    if not quotes and every and not lacking:
        return (result(says, every, at=0.45, severity=Severity.WARNING),)
    if not quotes:
        return _silent(case, says, at=0.66 if twice else 0.48)
    more = tuple(Evidence("exporters on one node", ", ".join(names)) for names in several[:1])
    return (result(says, quotes, at=0.92 if twice else 0.82, more=more),)


def _silent(case: Case, says: str, at: float) -> Results:
    """Find an exporter that fails without a log, on a node that otherwise works."""
    for one in case.troubles_of(EXPORTER, fails=True):
        node = case.node(one.pod.spec.node_name)
        works = node is not None and offers_gpu(node)
        if one.state in PULLING or one.init or not works:
            continue
        if any(part == EXPORTER for _, _, part in case.logs) and at < _LIKELY:
            continue
        name = one.pod.metadata.name
        evidence = (Evidence(f"status of Pod/{name}", f"{one.container} {one.state}"),)
        objects, told = (f"Pod/{name}",), about(one.pod, one.container)
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=at, about=told),)
    return ()


_LIKELY = 0.5


def _consumer(case: Case, says: str) -> Results:
    """Find an exporter that fails without a log on a card that has no profiling counters."""
    for one in case.troubles_of(EXPORTER, fails=True):
        node = case.node(one.pod.spec.node_name)
        product = node.metadata.labels.get("nvidia.com/gpu.product", "") if node else ""
        small = re.search(r"GeForce|Quadro|TITAN|RTX-A|Tesla-[KMP]", product)
        if small and _silent(case, says, 0.62):
            found = _silent(case, says, 0.62)[0]
            more = Evidence(
                f"labels of Node/{one.pod.spec.node_name}", f"nvidia.com/gpu.product: {product}"
            )
            return (structs.replace(found, evidence=(*found.evidence, more)),)
    return ()


def _twice(case: Case, says: str) -> Results:
    return _profiling(case, says, twice=True)


def _once(case: Case, says: str) -> Results:
    return _profiling(case, says, twice=False)


_OLD_DRIVER = (
    "cuda driver version is",
    "error code cuda driver v",
    "cudaerrorinsuff",
    "nvidia driver on your system is",
    "found cuda version*built against version*newer",
)
_TOO_OLD = (
    *_OLD_DRIVER,
    "forward compatibility was",
    "unsatisfied condition: cuda",
    "requirement error: unsatisfied condition",
    "requirement error: invalid expression",
    "the provided ptx was compiled with an unsupported toolchain",
    "cuda_error_system_driver_mismatch",
    "unsupported display driver / cuda driver combination",
)


def _went_on(case: Case, says: str) -> Results:
    """Note programs that said so and run on, without GPUs."""
    quotes = find(case, _OLD_DRIVER, (WORKLOAD,), ("log",))
    return (note(result(says, quotes, at=0.45)),) if quotes else ()


_OF_IMAGE = re.compile(r"cuda[:-]?v?(\d+)\.\d+")
"""How images name the release of CUDA in their tag, or in their name before it."""
_RELEASES = ("nvidia.com/cuda.runtime.major", "nvidia.com/cuda.runtime-version.major")
"""Labels of GPU Feature Discovery with the release of CUDA that a node's driver knows."""


def _newer_image(case: Case, says: str) -> Results:
    """Guess why programs fail without a word that are of a later CUDA than their node's driver.

    Releases of one major number are compatible with each other.
    """
    spoke = {(ref.namespace, ref.pod) for ref, _, _ in case.logs}
    for one in case.troubles_of(WORKLOAD, VALIDATOR, fails=True):
        node = case.node(one.pod.spec.node_name)
        match = _OF_IMAGE.search(one.image)
        if node is None or match is None or key(one.pod) in spoke or one.state in PULLING:
            continue
        labels = node.metadata.labels
        told = next((labels[name] for name in _RELEASES if name in labels), "")
        if told.isdigit() and int(match[1]) > int(told):
            evidence = (
                Evidence(f"status of Pod/{one.pod.metadata.name}", f"{one.state}, {one.image}"),
                Evidence(f"labels of Node/{node.metadata.name}", f"{_RELEASES[0]}: {told}"),
            )
            return (of_pod(one.pod, says, evidence, 0.55, one.container),)
    return ()


INSUFFICIENT = cause(
    "OCG1120",
    "cuda-driver-insufficient",
    _FAMILY,
    "validator",
    title="the driver is new enough for the CUDA of the images",
    says="the CUDA runtime of the image is newer than the driver supports, or the driver is not "
    "injected",
    means="A driver branch runs CUDA up to its own release. An image with a newer one refuses, or "
    "finds an older driver "
    "library than it wants.",
    remedy=(
        "oc exec -n nvidia-gpu-operator DRIVER-POD -c nvidia-driver-ctr -- nvidia-smi | head -4",
        "take an image of an older CUDA, or a newer driver (driver.version)",
    ),
    look=any_of(said(*_TOO_OLD, at=0.93), _went_on, _newer_image),
)
BUSY = cause(
    "OCG1121",
    "validator-no-free-gpu",
    _FAMILY,
    "validator",
    title="the validation finds a free GPU",
    says="the validation finds no free GPU, because workloads hold all of them",
    means="The validator asks for one GPU, as any pod does. After an update it may find all of "
    "them taken.",
    remedy=(
        "oc get pods -A -o wide --field-selector spec.nodeName={node}",
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"validator":{"plugin":{"env":[{"name":"WITH_WORKLOAD","value":"false"}]}}}}\''
        ),
    ),
    look=_busy,
)
CUDA = cause(
    "OCG1122",
    "cuda-init-error",
    _FAMILY,
    "validator",
    title="the CUDA validation succeeds",
    says="the CUDA validation fails at initialisation",
    means="The driver answers and the container sees it, and CUDA does not start. Common reasons: "
    "the fabric manager of an "
    "NVSwitch system, a vGPU without licence, memory of the card in a bad state, a limit of "
    "locked memory.",
    remedy=(
        "oc logs -n {namespace} {pod} --all-containers",
        "oc debug node/{node} -- chroot /host dmesg | grep -iE 'nvrm|xid'",
        "oc exec -n nvidia-gpu-operator DRIVER-POD -c nvidia-driver-ctr -- nvidia-smi -q",
    ),
    look=_cuda,
)
UNSUPPORTED = cause(
    "OCG1130",
    "dcgm-profiling-unsupported",
    _DCGM,
    "validator",
    title="profiling metrics are asked of GPUs that have them",
    says="profiling metrics are requested of a GPU that does not support them",
    means="DCGM's profiling module works with data-centre cards of Volta and later only. The "
    "default counters ask for it.",
    remedy=(
        (
            "take the counters DCGM_FI_PROF_* out of the exporter's ConfigMap "
            "(dcgmExporter.config.name)"
        ),
    ),
    look=any_of(
        _unsupported,
        _consumer,
    ),
)
TWICE = cause(
    "OCG1131",
    "dcgm-duplicate-profiling",
    _DCGM,
    "validator",
    title="one exporter uses the profiling module of each GPU",
    says="two exporters use the profiling module of one GPU",
    means="The profiling counters of a card can be used by one program at a time.",
    remedy=("oc get daemonsets,pods -A -o wide | grep dcgm", "remove one of the two exporters"),
    look=_twice,
)
ONCE = cause(
    "OCG1132",
    "dcgm-profiling-failed",
    _DCGM,
    "validator",
    title="the profiling module works",
    says="the profiling module fails, although only one exporter uses it",
    means="Another program on the node profiles (Nsight, a cloud's own agent), or driver and DCGM "
    "do not fit.",
    remedy=(
        "oc logs -n {namespace} {pod}",
        "take the counters DCGM_FI_PROF_* out of the exporter's ConfigMap, or update the operator",
    ),
    look=any_of(_once, _not_in_image),
)

CAUSES = (INSUFFICIENT, BUSY, CUDA, UNSUPPORTED, TWICE, ONCE)
