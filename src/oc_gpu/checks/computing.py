"""Checks of what ran: nvidia-smi, a CUDA sample, and a pod that had to stay off."""

import re
from collections.abc import Iterator, Sequence

from oc_gpu import facts
from oc_gpu.checks.catalogue import Check, Result, Results
from oc_gpu.checks.evidence import NodeEvidence, Sample, StayOff
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.proof import Proof
from oc_gpu.checks.smi import Card, Report, SmiError, disagreements, parse_xml, uuids
from oc_gpu.checks.smi_table import parse_table
from oc_gpu.kube.errors import clean
from oc_gpu.snapshot.kinds import GPU, Node, Taint

PASSED = "Test PASSED"
_GONE = ("gpu is lost", "requires reset")
_NAMED = re.compile(r"taint \{([^:}\s]+):\s*([^}]*)\}")
_UNNAMED = re.compile(r"had taints that|untolerated taint\(s\)")


def _smi(proof: Proof) -> Results:
    return tuple(_smi_on(proof.of(node.metadata.name)) for node in proof.nodes)


def _smi_on(given: NodeEvidence) -> Result:
    node, objects = given.node, (f"Node/{given.node}",)
    if not given.smi_xml or not given.smi_table:
        title = f"it is not known what nvidia-smi sees on {node}: {_missing(given)}"
        pod = given.driver_pod.rpartition("/")[2]
        concerned = (*objects, f"Pod/{pod}") if pod else objects
        return Result(Severity.UNKNOWN, title, objects=concerned, remedy=_rerun(given))
    try:
        report, table = parse_xml(given.smi_xml), parse_table(given.smi_table)
    except SmiError as error:
        evidence = (Evidence(_where(given), str(error)),)
        title = f"nvidia-smi sees no card on {node}"
        return Result(Severity.ERROR, title, _cause(str(error)), objects, evidence, _rerun(given))
    return _reported(given, report, table)


def _reported(given: NodeEvidence, report: Report, table: Report) -> Result:
    node, objects = given.node, (f"Node/{given.node}",)
    trouble = ", ".join(_trouble(report))
    quotes = [f"{card.name} {card.uuid} at {card.bus_id}" for card in report.cards]
    severity, cause = Severity.ERROR, _cause(trouble)
    differences = disagreements(report, table)
    if trouble:
        severity = Severity.ERROR if cause else Severity.WARNING
        title = f"nvidia-smi complains about a card of {node}: {trouble}"
    elif differences:
        title = f"XML and text table of nvidia-smi on {node} disagree"
        quotes = list(differences)
    else:
        severity = Severity.OK
        title = (
            f"nvidia-smi sees {_products(report.cards)} on {node} "
            f"(driver {report.driver}, CUDA {report.cuda}); XML and text table agree"
        )
    evidence = tuple(Evidence(_where(given), line) for line in quotes)
    remedy = () if severity is Severity.OK else _rerun(given)
    return Result(severity, title, cause, objects, evidence, remedy)


def _where(given: NodeEvidence) -> str:
    pod = given.driver_pod.rpartition("/")[2]
    return f"nvidia-smi in Pod/{pod} on {given.node}" if pod else f"nvidia-smi on {given.node}"


def _missing(given: NodeEvidence) -> str:
    return clean(given.miss("nvidia-smi") or "it was not run")


def _rerun(given: NodeEvidence) -> tuple[str, ...]:
    if not given.driver_pod:
        return (f"oc get pods -A --field-selector spec.nodeName={given.node} | grep nvidia-driver",)
    namespace, _, pod = given.driver_pod.partition("/")
    return (f"oc exec -n {namespace} {pod} -c {given.container} -- nvidia-smi",)


def _cause(text: str) -> str | None:
    return "gpu-fallen-off-bus" if any(word in text.lower() for word in _GONE) else None


def _trouble(report: Report) -> tuple[str, ...]:
    return tuple(sorted({text for card in report.cards for text in card.trouble}))


def _products(cards: tuple[Card, ...]) -> str:
    names = [card.name for card in cards]
    return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names)) or "no card"


def _samples(proof: Proof) -> Results:
    return tuple(result for node in proof.nodes for result in _samples_on(proof, node))


def _samples_on(proof: Proof, node: Node) -> Iterator[Result]:
    """Yield a result for each kind of device that a node offers, one where none was tried."""
    given, seen = proof.of(node.metadata.name), proof.seen(node.metadata.name)
    for sample in given.samples:
        yield _all_in_use(node, sample) or _sample_on(node, given, sample, seen)
    tried = {sample.resource for sample in given.samples}
    missing = [resource for resource in node.devices or (GPU,) if resource not in tried]
    for resource in missing:
        why = clean(given.miss("sample") or "it was not started")
        title = f"no CUDA sample ran on {_part(resource)}{given.node}: {why}"
        yield Result(Severity.UNKNOWN, title, objects=(f"Node/{given.node}",))


def _part(resource: str) -> str:
    """Return in words what of a node is meant, empty for its GPUs."""
    return "" if resource == GPU else f"{resource} of "


def _all_in_use(node: Node, sample: Sample) -> Result | None:
    """Return the result of a sample that found no free device on a node that offers some."""
    name, short = node.metadata.name, f"Insufficient {sample.resource}"
    if sample.node or short not in sample.message or not node.offers(sample.resource):
        return None
    what = "GPUs" if sample.resource == GPU else sample.resource
    title = f"no CUDA sample ran on {name}: all its {what} are in use by other pods"
    remedy = (f"oc get pods -A --field-selector spec.nodeName={name}",)
    objects = (f"Node/{name}",)
    held = tuple(Evidence(f"GPUs of Node/{name}", f"held by {who}") for who in sample.holders)
    evidence = (*held, *_ran(sample))
    return Result(Severity.UNKNOWN, title, None, objects, evidence, remedy, "capacity")


def _sample_on(on: Node, given: NodeEvidence, sample: Sample, seen: Report | None) -> Result:
    node, objects = given.node, (f"Node/{given.node}",)
    evidence = _ran(sample)
    if sample.unread:
        title = f"it is not known how the CUDA sample on {node} ended: its log may not be read"
        namespace = sample.pod.partition("/")[0]
        remedy = (f"oc auth can-i get pods --subresource=log -n {namespace}",)
        told = (Evidence(f"log of Pod/{sample.pod.rpartition('/')[2]}", clean(sample.unread)),)
        return Result(Severity.UNKNOWN, title, None, objects, (*evidence, *told), remedy)
    wrong = _failure(node, sample)
    if wrong:
        todo: tuple[str, ...] = (f"oc describe node {node}",)
        if not sample.node and on.spec.unschedulable:
            wrong = f"no CUDA sample ran on {node}: the node is cordoned and takes no pods"
            todo = _uncordoning(node)
        return Result(Severity.ERROR, wrong, _why(sample.log), objects, evidence, todo)
    devices = _devices(sample)
    if not sample.image_id or not devices or seen is None:
        lacking = "image" if not sample.image_id else "device"
        title = f"the CUDA sample on {node} passed, but it is not known on which {lacking}"
        return Result(Severity.UNKNOWN, title, None, objects, evidence)
    here = {uuid for card in seen.cards for uuid in (card.uuid, *card.mig_uuids)}
    here |= set(uuids(given.smi_list))
    strange = [device for device in devices if device not in here]
    if strange:
        title = f"the CUDA sample on {node} ran on {strange[0]}, which nvidia-smi does not list"
        return Result(Severity.ERROR, title, None, objects, evidence)
    part = "" if sample.resource == GPU else f" ({sample.resource})"
    title = f"a CUDA sample ran on {devices[0]}{part} of {node} and passed"
    return Result(Severity.OK, title, objects=objects, evidence=evidence)


def _devices(sample: Sample) -> tuple[str, ...]:
    """Return the devices that a sample had: parts of a card, where it was given such."""
    seen = uuids(sample.log)
    return tuple(uuid for uuid in seen if uuid.startswith("MIG-")) or seen


def _uncordoning(node: str) -> tuple[str, ...]:
    return (
        "oc-gpu doctor   # whether a drain or an upgrade of the driver left it so",
        f"oc adm uncordon {node}   # once nothing needs it cordoned",
    )


def _ran(sample: Sample) -> tuple[Evidence, ...]:
    where = f"Pod/{sample.pod.rpartition('/')[2]}"
    lines = [line.strip() for line in sample.log.splitlines() if line.strip()]
    quotes = [line for line in lines if line == PASSED or uuids(line)] or lines[-2:]
    return (
        *((Evidence(where, f"imageID: {sample.image_id}"),) if sample.image_id else ()),
        *(Evidence(f"log of {where}", clean(line)) for line in quotes),
        *((Evidence(where, clean(sample.message)),) if sample.message else ()),
    )


def _failure(node: str, sample: Sample) -> str:
    """Return what is wrong with how a sample ended, empty when nothing is."""
    if not sample.node:
        return f"the CUDA sample for {node} was never placed on a node"
    if sample.node != node:
        return f"the CUDA sample for {node} ran on {sample.node}"
    if sample.phase != "Succeeded":
        return f"the CUDA sample on {node} did not succeed: its pod is {sample.phase or 'unknown'}"
    if not any(line.strip() == PASSED for line in sample.log.splitlines()):
        return f"the CUDA sample on {node} ended without the line '{PASSED}'"
    return ""


def _why(log: str) -> str | None:
    insufficient = "driver version is insufficient" in log
    return "cuda-driver-insufficient" if insufficient else None


def _isolation(proof: Proof) -> Results:
    wanted = proof.inputs.taint
    return tuple(_kept_off(node, wanted, proof.of(node.metadata.name)) for node in proof.nodes)


def _kept_off(node: Node, wanted: Taint | None, given: NodeEvidence) -> Result:
    name, objects = given.node, (f"Node/{given.node}",)
    taints = node.keeping_off
    if wanted is not None and wanted not in node.spec.taints:
        title = f"{name} lacks the taint {wanted}"
        again = f"oc-gpu isolate --taint {wanted}"
        remedy = (*(_uncordoning(name) if node.spec.unschedulable else ()), again)
        return Result(Severity.ERROR, title, objects=objects, remedy=remedy)
    if not taints:
        title = f"{name} has no taint, so pods that ask for no GPU may run there"
        remedy = ("oc-gpu isolate --taint nvidia.com/gpu=present:NoSchedule",)
        return Result(Severity.INFO, title, objects=objects, remedy=remedy)
    if given.stay_off is None:
        why = clean(given.miss("stay-off") or "no pod was tried")
        title = f"it is not known whether pods that ask for no GPU stay off {name}: {why}"
        return Result(Severity.UNKNOWN, title, objects=objects)
    return _judge_stay_off(name, taints, given.stay_off)


def _judge_stay_off(name: str, taints: Sequence[Taint], tried: StayOff) -> Result:
    objects = (f"Node/{name}",)
    shown = " and ".join(map(str, taints))
    evidence = (
        Evidence(f"spec.taints of Node/{name}", shown),
        *((Evidence("condition PodScheduled", clean(tried.message)),) if tried.message else ()),
    )
    if tried.placed_on:
        title = f"a pod that asks for no GPU was placed on {tried.placed_on} in spite of {shown}"
        return Result(Severity.ERROR, title, None, objects, evidence)
    named = {(match[1], match[2].strip()) for match in _NAMED.finditer(tried.message)}
    by_name = [taint for taint in taints if (taint.key, taint.value) in named]
    if by_name or (not named and _UNNAMED.search(tried.message)):
        by = " and ".join(map(str, by_name or taints))
        title = f"a pod that asks for no GPU stayed off {name} because of {by}"
        return Result(Severity.OK, title, objects=objects, evidence=evidence)
    title = f"a pod that asks for no GPU was not placed on {name}, but not because of {shown}"
    return Result(Severity.UNKNOWN, title, None, objects, evidence)


SMI = Check(
    "OCG0802",
    "nvidia-smi",
    "driver",
    "nvidia-smi sees the cards of every GPU node, and its outputs agree",
    _smi,
    ("nodes",),
)


def _licences(proof: Proof) -> Results:
    return tuple(
        _licence(node.metadata.name, card)
        for node in proof.nodes
        for card in _virtual(node, proof.seen(node.metadata.name))
    )


def _virtual(node: Node, seen: Report | None) -> tuple[Card | None, ...]:
    """Return the virtual cards of a node, None for one of which nothing is known."""
    if seen is None:
        present = node.metadata.labels.get(facts.gpu_labels().vgpu) == "true"
        return (None,) if present else ()
    return tuple(card for card in seen.cards if card.licence)


def _licence(name: str, card: Card | None) -> Result:
    objects = (f"Node/{name}",)
    if card is None:
        title = f"it is not known whether the virtual GPU of {name} has a licence"
        return Result(Severity.UNKNOWN, title, objects=objects)
    told = clean(card.licence)
    evidence = (Evidence(f"nvidia-smi on {name}, {card.name}", f"license status: {told}"),)
    if told.lower().startswith("licensed"):
        title = f"{card.name} of {name} has a licence"
        return Result(Severity.OK, title, objects=objects, evidence=evidence)
    title = f"{card.name} of {name} has no licence ({told}), so it slows down or refuses work"
    remedy = ("give it with spec.gpuOperator.vgpu.token of the GpuPlatform document",)
    return Result(Severity.ERROR, title, "vgpu-unlicensed", objects, evidence, remedy)


LICENCES = Check(
    "OCG0806",
    "vgpu-licences",
    "driver",
    "every virtual GPU has a licence",
    _licences,
    ("nodes",),
)
SAMPLE = Check(
    "OCG1401",
    "cuda-sample",
    "workload",
    "a CUDA sample computes on every GPU node",
    _samples,
    ("nodes",),
)
STAY_OFF = Check(
    "OCG1301",
    "stay-off",
    "scheduling",
    "pods that ask for no GPU stay off the GPU nodes",
    _isolation,
    ("nodes",),
)
