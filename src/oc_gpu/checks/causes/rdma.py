"""Layer driver: modules by which network cards reach the memory of GPUs."""

from oc_gpu.checks.ages import is_starting
from oc_gpu.checks.case import Case
from oc_gpu.checks.catalogue import Results
from oc_gpu.checks.components import DRIVER, TOOLKIT, VALIDATOR
from oc_gpu.checks.model import Evidence
from oc_gpu.checks.quotes import (
    KERNEL,
    cause,
    find,
    note,
    of_node,
    of_pod,
    result,
    shown,
    split,
)
from oc_gpu.checks.troubles import PULLING

_RDMA = "rdma"
_PEERMEM = ("nvidia-peermem-ctr", "nvidia-peermem")


def _peermem(case: Case, says: str, phrases: tuple[str, ...], at: float) -> Results:
    told = find(case, phrases, (DRIVER, "kernel"), ("log", "kernel", "state"))
    quotes = [q for q in told if q.live and not (q.source == "kernel" and _is_there(case, q.node))]
    return (result(says, quotes, at=at),) if quotes else ()


def _is_there(case: Case, node: str) -> bool:
    """Tell whether a node has a module for RDMA by now, whatever its kernel said before."""
    return bool(case.modules.get(node, frozenset()).intersection(_RDMA_MODULES))


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
            "could not insert 'nv_peer_mem'",
            "ib_register_peer_memory_client",
            "module nvidia-peermem not found",
            "module nvidia_peermem not found",
            "nvidia_peermem*invalid argument",
            "nvidia-peermem*invalid argument",
            "failed to load nvidia-peermem module",
        ),
        0.94,
    )
    waits = ("waiting for mellanox ofed", "waiting for mofed to be installed")
    found = found or _peermem(case, says, waits, 0.6) or _unvalidated(case, says)
    if found:
        return found
    for one in case.troubles_of(DRIVER):
        if one.container == "mofed-validation" and not is_starting(case, one):
            where = f"status of Pod/{one.pod.metadata.name}"
            waits_for = (Evidence(where, f"{one.container} waits"),)
            return (of_pod(one.pod, says, waits_for, 0.7, one.container),)
    for one in case.troubles_of(DRIVER):
        if one.container in _PEERMEM and one.state not in PULLING and not _unbound(case, says):
            name = one.pod.metadata.name
            evidence = (Evidence(f"status of Pod/{name}", f"{one.container} {one.state}"),)
            at = 0.7 if one.fails else 0.55
            return (of_pod(one.pod, says, evidence, at, one.container),)
    return _refused_module(case)


_RDMA_MODULES = ("nvidia_peermem", "nv_peer_mem")
_MODULE_WORDS = tuple(
    phrase
    for name in (*_RDMA_MODULES, "nvidia-peermem")
    for phrase in (
        f"{name}: unknown symbol",
        f"{name}: disagrees about version of symbol",
        f"could not insert '{name}'",
    )
)
_BY_HAND = ("apt/term.log", *KERNEL)
"""Files of a host on which its administrator, or a package, loads the module."""


def _refused_module(case: Case) -> Results:
    """Note hosts whose kernel did not take the module, where the GPUs work for all others."""
    for ref, texts in case.texts_of_nodes(*_BY_HAND):
        node = case.node(ref.node)
        if node is None or _is_there(case, ref.node):
            continue
        lines = (line for text in texts for one in _MODULE_WORDS for line in text.find(split(one)))
        line = next(lines, None)
        if line is not None:
            evidence = (Evidence(f"{ref.where}:{line.number}", shown(line.text)),)
            return (note(of_node(node, _NOT_TAKEN, evidence, 0.45)),)
    return ()


_NOT_TAKEN = (
    "the kernel did not take the module for RDMA with GPUs, which does not fit the network driver "
    "that is loaded"
)


def _unvalidated(case: Case, says: str) -> Results:
    """Find validations of the driver that fail for nvidia-peermem or for the network driver."""
    phrases = (
        "error validating nvidia-peermem driver installation",
        "error validating mofed driver installation",
    )
    by = (DRIVER, TOOLKIT, VALIDATOR)
    quotes = [q for q in find(case, phrases, by, ("log",)) if q.live]
    return (result(says, quotes, at=0.72),) if quotes else ()


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
    says="nvidia-peermem was built against other network-driver symbols than are loaded, or finds "
    "none",
    means="It links against the RDMA core of the kernel or of MOFED, whichever was there when it "
    "was built, and waits for MOFED where it is told that there is one.",
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

CAUSES = (ENV, OFED)
