"""Layer driver: the fabric of NVSwitch systems."""

import re
from collections.abc import Iterator

from oc_gpu.checks.ages import is_starting
from oc_gpu.checks.case import Case, key
from oc_gpu.checks.catalogue import Results
from oc_gpu.checks.causes.driver import generations
from oc_gpu.checks.causes.vgpu import reports
from oc_gpu.checks.components import DRIVER, ON_NODE, VALIDATOR, WORKLOAD
from oc_gpu.checks.model import Evidence
from oc_gpu.checks.quotes import (
    JOURNAL,
    KERNEL,
    cause,
    find,
    has_passed,
    note,
    of_node,
    of_pod,
    result,
    shown,
    split,
)
from oc_gpu.checks.troubles import PULLING, Trouble
from oc_gpu.snapshot.kinds import Node
from oc_gpu.snapshot.texts import Line, Text

_FABRIC = "fabric"
_NVSWITCH = ("22a3", "1af1", "1ac2", "22a0", "22a4")
"""Device ids of NVSwitch (PCI ID database)."""

_BADLY = ("failed to", "error", "unable to", "cannot", "could not", "fatal")
_MANAGER = (
    "fabric manager is not running",
    "fabricmanager*not running",
    "fabric manager*failed",
    "nv-fabricmanager*failed",
    "nv-fabricmanager*version",
    "fabric manager*version*mismatch",
    "fabric manager*does not match",
    "fabric manager*don't match with driver version",
    "fabric manager is not initialized",
    "fabric state*: in progress",
    "cuda_error_system_not_ready",
    "system not yet",
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


_NO_SWITCH = ("nv_warn_nothing_to_do",)
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
    quotes += reports(case, ("fabric manager*not",))
    if quotes:
        more = tuple(Evidence(f"lspci of Node/{name}", "an NVSwitch") for name in switched[:1])
        return (result(says, quotes, at=0.92, more=more),)
    for one in case.troubles_of(VALIDATOR, fails=True):
        node = case.node(one.pod.spec.node_name)
        product = node.metadata.labels.get("nvidia.com/gpu.product", "") if node else ""
        fifth = _FIFTH.match(product) is not None
        joined = switched or (node is not None and _is_joined(case, node))
        joined = joined and not fifth
        if joined and one.container.startswith("cuda-"):
            name = one.pod.metadata.name
            evidence = (
                Evidence(f"status of Pod/{name}", f"{one.container} {one.state}"),
                Evidence(f"labels of Node/{one.pod.spec.node_name}", f"gpu.product: {product}"),
            )
            return (of_pod(one.pod, says, evidence, 0.64, one.container),)
    return (
        _finds_no_switch(case, says, by)
        or _misfits(case, says)
        or _met_before(case, says)
        or _in_progress(case, says, fifth=False)
        or _unit_down(case, says)
    )


_MISFITS = "fabric manager*interface version*match with driver version"


def _misfits(case: Case, says: str) -> Results:
    """Find fabric managers of hosts that are of another release than the driver, by their log."""
    for ref, texts in case.texts_of_nodes("fabricmanager.log"):
        node = case.node(ref.node)
        told = (line for text in texts for line in text.find(split(_MISFITS)))
        line = max(told, key=lambda one: one.number, default=None)
        well = (one.number for text in texts for one in text.find(("successfully configured",)))
        if line is not None and line.number < max(well, default=0):
            continue
        if line is not None and node is not None:
            evidence = (Evidence(f"{ref.where}:{line.number}", shown(line.text)),)
            ill = ref.node in case.unwell_nodes
            found = of_node(node, says, evidence, 0.8 if ill else 0.45)
            return (found if ill else note(found),)
    return ()


_NOT_READY = ("error 802: system not yet initialized", "cuda_error_system_not_ready")


def _met_before(case: Case, says: str) -> Results:
    """Note programs that met a fabric which was not set up, and ended or went on without GPUs."""
    quotes = find(case, _NOT_READY, (WORKLOAD,), ("log",))
    return (note(result(says, quotes, at=0.45)),) if quotes else ()


_IN_PROGRESS = re.compile(r"^ *State *: In Progress *$")
"""What nvidia-smi says of cards whose fabric is not set up; nothing else there has this state."""
_PRODUCT = re.compile(r"^ *Product Name *: NVIDIA (.*)$")


def _in_progress(case: Case, says: str, *, fifth: bool) -> Results:
    """Find cards that wait for their fabric, by nvidia-smi: an error where programs on them fail.

    Args:
        case: The cluster.
        says: The cause in one sentence.
        fifth: Whether nodes with the fifth generation of NVLink are meant, or those with another.
    """
    notes: Results = ()
    for ref, texts in case.texts_of_nodes("nvidia-bug-report", "nvidia-smi"):
        node = case.node(ref.node)
        line = next((x for x in _lines(texts, "in progress") if _IN_PROGRESS.match(x.text)), None)
        if line is None or node is None or _is_fifth(node, texts) is not fifth:
            continue
        ill = [t for t in _failing_on(case, ref.node) if t.container]
        evidence = (
            Evidence(f"{ref.where}:{line.number}", "Fabric State: In Progress"),
            *_failed_unit(case, ref.node),
            *(Evidence(f"status of Pod/{t.pod.metadata.name}", t.state) for t in ill[:1]),
        )
        if ill:
            return (of_node(node, says, evidence, 0.82),)
        notes = notes or (note(of_node(node, says, evidence, 0.45)),)
    return notes


def _lines(texts: tuple[Text, ...], words: str) -> Iterator[Line]:
    return (line for text in texts for line in text.find((words,)))


def _is_fifth(node: Node, texts: tuple[Text, ...]) -> bool:
    """Tell whether a node's cards are of the fifth generation of NVLink, by nvidia-smi or label."""
    rows = (_PRODUCT.match(line.text) for line in _lines(texts, "product name"))
    shown = next((f"NVIDIA-{row[1]}" for row in rows if row is not None), "")
    return _FIFTH.match(shown or node.metadata.labels.get(_LABEL, "")) is not None


_LABEL = "nvidia.com/gpu.product"


def _failed_unit(case: Case, node: str) -> tuple[Evidence, ...]:
    """Return that the host's fabric manager failed, where its failed units were gathered."""
    return tuple(
        Evidence(f"{ref.where}:{line.number}", line.text.strip())
        for ref, texts in case.texts_of_nodes("systemctl_list-units_--failed")
        if ref.node == node
        for line in _lines(texts, "fabricmanager")
    )[:1]


def _unit_down(case: Case, says: str) -> Results:
    """Find hosts of joined cards whose own fabric manager failed, and with it what wants them.

    On other hosts it fails for want of switches, and nobody needs it.
    """
    for ref, _ in case.texts_of_nodes("systemctl_list-units_--failed"):
        node, evidence = case.node(ref.node), _failed_unit(case, ref.node)
        if node is None or not evidence or not _is_joined(case, node) or _is_fifth(node, ()):
            continue
        for one in _failing_on(case, ref.node):
            state = Evidence(f"status of Pod/{one.pod.metadata.name}", one.state)
            return (of_node(node, says, (*evidence, state), 0.8),)
    return ()


def _failing_on(case: Case, node: str) -> list[Trouble]:
    """Return what fails on a node and may want GPUs, but for images."""
    every = case.troubles_of(WORKLOAD, *ON_NODE, fails=True)
    return [t for t in every if t.pod.spec.node_name == node and t.state not in PULLING]


_SXM = ("20b0", "20b2", "20bd", "20f3", "2324", "2330", "2335", "2901")
"""Device ids of A100, A800, H100, H800, H200 and B200 as modules of a board (PCI ID database)."""
_BOARD = 8
"""Modules of a board with NVSwitches; on smaller boards they are joined without any."""


def _is_joined(case: Case, node: Node) -> bool:
    """Tell whether a node's cards are modules of a board with NVSwitches, as far as is known."""
    told = node.metadata.labels.get("nvidia.com/gpu.count", "")
    count = int(told) if told.isdigit() else len(case.cards(node.metadata.name))
    return _is_module(case, node) and (count >= _BOARD or not count)


def _is_module(case: Case, node: Node) -> bool:
    """Tell whether a node's cards are modules of a board, by their label or their device ids."""
    labelled = _SWITCHED.search(node.metadata.labels.get(_LABEL, "")) is not None
    return labelled or any(card.device in _SXM for card in case.cards(node.metadata.name))


def _finds_no_switch(case: Case, says: str, by: tuple[str, ...]) -> Results:
    quotes = [q for q in find(case, _NO_SWITCH, by, ("log", "kernel", "client")) if q.live]
    at = 0.9 if any(_is_module(case, node) for node in case.gpu_nodes) else 0.4
    return (result(says, quotes, at=at),) if quotes else ()


def _nvlink5(case: Case, says: str) -> Results:
    quotes = [
        q for q in find(case, _NVLINK5, (DRIVER, VALIDATOR), ("log", "kernel", "client")) if q.live
    ]
    quotes += [
        q
        for q in find(case, _WAITS, (DRIVER,), ("log",))
        if q.live and not has_passed(case, q, _WAITS, _GOES_ON)
    ]
    if quotes:
        return (result(says, quotes, at=0.94),)
    return (
        _without_umad(case, says)
        or _wrong_path(case, says)
        or _gave_up(case, says)
        or _by_own_log(case, says)
        or _in_progress(case, says, fifth=True)
        or _not_started(case, says)
    )


_WAITS = ("waiting for the mlx5_core",)
_GOES_ON = ("starting nvidia fabric manager",)
"""What the driver container says while it waits for these modules, and when they are there."""
_NOT_STARTED = ("ib_umad", "fabric manager cannot be started")
_STARTED = ("started", "fabric", "manager")
"""What the fabric manager's script says before it ends, and systemd once it runs, in order."""


def _gave_up(case: Case, says: str) -> Results:
    """Find fabric managers that were not started at last, on nodes that look well."""
    for ref, texts in case.texts_of_nodes(*KERNEL, *JOURNAL):
        refused = [line for text in texts for line in text.find(_NOT_STARTED)]
        began = [line for text in texts for line in text.find(_STARTED)]
        began = [line for line in began if line not in refused]
        node = case.node(ref.node)
        if node is None or not refused or (began and began[-1].number > refused[-1].number):
            continue
        evidence = Evidence(f"{ref.where}:{refused[-1].number}", shown(refused[-1].text))
        return (of_node(node, says, (evidence,), 0.76),)
    return ()


_LACKS_UMAD = (
    "ib_umad module loaded",
    "can't read abi version",
    "failed to open umad",
    "umad*not loaded",
)
"""What says that the devices of the subnet manager are not there."""
_OWN_LOGS = ("fabricmanager.log", "nvlsm.log")
"""Files of a host that runs the fabric manager and its subnet manager by itself."""


def _by_own_log(case: Case, says: str) -> Results:
    """Find what the fabric's own logs miss on a node where programs with GPUs fail."""
    ill = {one.pod.spec.node_name: one for one in case.troubles_of(WORKLOAD, *ON_NODE, fails=True)}
    for ref, texts in case.texts_of_nodes(*_OWN_LOGS):
        node = case.node(ref.node)
        new = node is not None and "blackwell" in generations(case, ref.node)
        for text in texts if new and ref.node in ill else ():
            for phrase in _LACKS_UMAD:
                line = next(text.find(split(phrase)), None)
                if line is not None and node is not None:
                    pod = ill[ref.node].pod.metadata.name
                    evidence = (
                        Evidence(f"{ref.where}:{line.number}", shown(line.text)),
                        Evidence(f"status of Pod/{pod}", ill[ref.node].state),
                    )
                    return (of_node(node, says, evidence, 0.6),)
    return ()


def _not_started(case: Case, says: str) -> Results:
    """Guess why CUDA does not start on such a system, of which nobody says more.

    Where the kernel's modules were read and lack the one for it, it is known.
    """
    for one in case.troubles_of(VALIDATOR, DRIVER):
        name = one.pod.spec.node_name
        node, modules = case.node(name), case.modules.get(name, frozenset())
        product = node.metadata.labels.get(_LABEL, "") if node is not None else ""
        fifth = _FIFTH.match(product) or any(c.device in _NVLINK5_IDS for c in case.cards(name))
        lacks = bool(modules) and "ib_umad" not in modules
        cuda = one.fails and one.container.startswith("cuda-")
        waits = lacks and not one.fails and not one.init and not is_starting(case, one)
        waits = waits and case.component[key(one.pod)] == DRIVER
        if not fifth or not (cuda or waits):
            continue
        at = 0.5 if waits else 0.85 if lacks else 0.45 if modules else 0.55
        evidence = (
            Evidence(f"status of Pod/{one.pod.metadata.name}", f"{one.container} {one.state}"),
            Evidence(f"labels of Node/{name}", f"gpu.product: {product}"),
            *([Evidence(f"modules of Node/{name}", "ib_umad is not loaded")] if lacks else []),
        )
        return (of_pod(one.pod, says, evidence, at, one.container),)
    return ()


_NVLINK5_IDS = ("2901", "2920", "2941", "3182", "31c2")
"""Device ids of B200, B100, GB200, B300 and GB300 (PCI ID database)."""
_FIFTH = re.compile(r"NVIDIA-G?B[123]00\b")
"""Cards whose switches speak the fifth generation of NVLink, by their product label."""


def _wrong_path(case: Case, says: str) -> Results:
    """Find a fabric manager that looks for switches of before on a system of the fifth generation.

    There the switches are InfiniBand devices: without the modules for these there is nothing to do.
    """
    for quote in find(case, _NO_SWITCH, (*ON_NODE, WORKLOAD), ("log", "kernel", "client")):
        node = case.node(quote.node)
        product = node.metadata.labels.get("nvidia.com/gpu.product", "") if node else ""
        if quote.live and _FIFTH.search(product):
            more = Evidence(f"labels of Node/{quote.node}", f"nvidia.com/gpu.product: {product}")
            return (result(says, [quote], at=0.94, more=(more,)),)
    return ()


def _without_umad(case: Case, says: str) -> Results:
    """Find CUDA that does not start on such a system, whose kernel lacks the module for it."""
    phrases = (
        "system not yet",
        "error code system not",
        "cuda_error_system_not_ready",
        "error 802",
    )
    for quote in find(case, phrases, (*ON_NODE, WORKLOAD)):
        modules = case.modules.get(quote.node, frozenset())
        new = "blackwell" in generations(case, quote.node)
        if quote.live and modules and new and "ib_umad" not in modules:
            more = Evidence(f"modules of Node/{quote.node}", "ib_umad is not loaded")
            return (result(says, [quote], at=0.93, more=(more,)),)
    return ()


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
CAUSES = (NVLINK5, FABRIC)
