"""Layer device-plugin: GPUs that are split, their devices, and who offers them."""

import re
from collections.abc import Iterator
from itertools import pairwise

from msgspec import structs

from oc_gpu.checks.cards import can_split
from oc_gpu.checks.case import Case, key
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.mig import FAMILY
from oc_gpu.checks.causes.validator import fails_to_start
from oc_gpu.checks.components import (
    DCGM,
    EXPORTER,
    GFD,
    MIG,
    ON_NODE,
    PLUGIN,
    VALIDATOR,
    WORKLOAD,
)
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import any_of, cause, find, of_node, of_pod, result, said
from oc_gpu.checks.troubles import PULLING, Trouble
from oc_gpu.snapshot.kinds import Node, Pod


def _unpermitted(case: Case, says: str) -> Results:
    """Find programs that lack a right on a node with MIG devices, and may work elsewhere."""
    of_parts = [f"mig device*{right}" for right in _NO_RIGHT]
    quotes = [q for q in find(case, of_parts, (EXPORTER, DCGM, GFD, PLUGIN, MIG)) if q.live]
    if quotes:
        return (result(says, quotes, at=0.92),)
    phrases = (*_NO_RIGHT, "init failed. error: -17")
    quotes = [
        q
        for q in find(case, phrases, (EXPORTER, DCGM, GFD, PLUGIN, MIG))
        if q.live and (node := case.node(q.node)) is not None and _has_mig(node)
    ]
    if quotes:
        return (result(says, quotes, at=0.88),)
    of_device = [f"device{word}*{right}" for word in ("", " memory") for right in _NO_RIGHT]
    quotes = [
        q
        for q in find(case, of_device, (EXPORTER, DCGM, GFD, PLUGIN, MIG))
        if q.live and q.pod is not None and _splits(case, q.pod)
    ]
    return (result(says, quotes, at=0.66),) if quotes else ()


_MONITOR = "NVIDIA_MIG_MONITOR_DEVICES"


def _unasked(case: Case, says: str) -> Results:
    """Find plugins that fail without a word on a node with MIG devices, and ask for no right."""
    failing = case.troubles_of(PLUGIN, GFD, fails=True)
    tables = _tables(case) if failing else ()
    shown = {n for _, n, text in tables if _INSTANCES.search(text) or _ROW.search(text)}
    for one in failing:
        pod, name = one.pod, one.pod.spec.node_name
        seen = _seen_split(case.node(name), table=name in shown)
        plain = _strategy(case) in ("", "none")
        if not seen or plain or _asks(pod) or _spoke(case, one) or one.state in PULLING:
            continue
        others = (other for other in case.pods_on(name, PLUGIN, GFD) if other is not pod)
        asking = [other for other in others if _asks(other) and key(other) not in case.trouble]
        where = f"Pod/{pod.metadata.name}"
        evidence = (
            Evidence(where, f"MIG strategy {_strategy(case)}, and {_MONITOR} is not set"),
            *(Evidence(f"Pod/{p.metadata.name}", f"works, with {_MONITOR}") for p in asking[:1]),
            seen,
            Evidence(f"status of {where}", f"{one.container} {one.state}"),
        )
        return (of_pod(pod, says, evidence, 0.55 if asking or name in shown else 0.45),)
    return ()


def _asks(pod: Pod) -> bool:
    return any(container.variable(_MONITOR) for container in pod.spec.every)


def _spoke(case: Case, one: Trouble) -> bool:
    """Tell whether the container that fails, not one beside it, wrote anything that was read."""
    mine = (one.pod.metadata.name, one.container)
    return any((ref.pod, ref.container or one.container) == mine for ref, _, _ in case.logs)


def _seen_split(node: Node | None, *, table: bool) -> Evidence | None:
    """Return by what a node is seen to have MIG devices, None where nothing shows any."""
    if node is None:
        return None
    name, labels = node.metadata.name, node.metadata.labels
    layout, done = labels.get(_LAYOUT, ""), labels.get(f"{_LAYOUT}.state") == "success"
    if table:
        return Evidence(f"nvidia-smi of Node/{name}", "MIG devices")
    if parts := _parts(node):
        return Evidence(f"status of Node/{name}", f"offers {parts[0]}")
    if done and layout not in ("", _ALL_ON, "all-disabled"):
        return Evidence(f"labels of Node/{name}", f"{_LAYOUT}: {layout}")
    return None


_LAYOUT = "nvidia.com/mig.config"


def _parts(node: Node) -> list[str]:
    """Return the parts of GPUs that a node offers."""
    amounts = node.status.allocatable
    return [n for n, a in amounts.items() if n.startswith("nvidia.com/mig-") and str(a) != "0"]


_NO_RIGHT = ("insufficient permissions", "insufficient pemmissions")
"""NVML_ERROR_NO_PERMISSION in the words of NVML, whose releases do not all spell alike. Whoever may
not use the driver at all hears it at the start; of a single card one hears it in MIG mode."""


def _has_mig(node: Node) -> bool:
    """Tell whether a node's GPUs are split, or are to be."""
    layout = node.metadata.labels.get("nvidia.com/mig.config", "all-disabled")
    offers = any(name.startswith("nvidia.com/mig-") for name in node.status.capacity)
    return offers or layout != "all-disabled"


def _strategy(case: Case) -> str:
    told = str(case.setting("mig", "strategy") or "")
    for pod in case.pods_of(GFD, PLUGIN):
        for one in pod.spec.containers:
            told = one.variable("MIG_STRATEGY") or one.variable("GFD_MIG_STRATEGY") or told
            told = next(
                (a.partition("=")[2] for a in one.args if a.startswith("--mig-strategy=")), told
            )
    return told


_INSTANCES = re.compile(r"MIG \d+g\.\d+gb", re.IGNORECASE)


def _called_invalid(case: Case, says: str) -> Results:
    """Find nodes whose cards GPU feature discovery calls divided so that strategy single fails."""
    for node in case.gpu_nodes:
        product = node.metadata.labels.get(_PRODUCT, "")
        if product.endswith("-MIG-INVALID"):
            where = f"labels of Node/{node.metadata.name}"
            return (of_node(node, says, (Evidence(where, f"{_PRODUCT}: {product}"),), 0.87),)
    return ()


_PRODUCT = "nvidia.com/gpu.product"


def _mismatch(case: Case, says: str) -> Results:
    strategy = _strategy(case)
    for pod in case.pods_of(WORKLOAD):
        asks = {
            name
            for one in pod.spec.every
            for name in one.resources.limits
            if name.startswith("nvidia.com/mig-")
        }
        waits = any(t.pod is pod and t.state == "Unschedulable" for t in case.troubles)
        if asks and waits and strategy in ("single", "none"):
            evidence = (
                Evidence(f"Pod/{pod.metadata.name}", f"asks for {', '.join(sorted(asks))}"),
                Evidence("device plugin", f"MIG strategy {strategy}"),
            )
            return (of_pod(pod, says, evidence, 0.93),)
        whole = any("nvidia.com/gpu" in one.resources.limits for one in pod.spec.every)
        if whole and waits and strategy == "mixed" and _has_instances(case):
            evidence = (
                Evidence(f"Pod/{pod.metadata.name}", "asks for nvidia.com/gpu"),
                Evidence("device plugin", "MIG strategy mixed"),
            )
            return (of_pod(pod, says, evidence, 0.85),)
    for one in case.troubles_of(PLUGIN, fails=True):
        node = case.node(one.pod.spec.node_name)
        capable = node is not None and node.metadata.labels.get("nvidia.com/mig.capable") == "true"
        silent = not any(part == PLUGIN for _, _, part in case.logs) or find(
            case, ("failed to construct*resource managers",), (PLUGIN,), ("log",)
        )
        if strategy in ("single", "mixed") and silent and (capable or _splits(case, one.pod)):
            text = f"{one.container} {one.state}"
            evidence = (
                Evidence(f"status of Pod/{one.pod.metadata.name}", text),
                Evidence("device plugin", f"MIG strategy {strategy}"),
            )
            return (of_pod(one.pod, says, evidence, 0.45),)
    kinds = _kinds(case)
    if strategy == "single" and len(kinds) > 1 and case.unwell:
        evidence = (
            Evidence("device plugin", "MIG strategy single"),
            Evidence("nvidia-smi", f"instances of several kinds: {', '.join(sorted(kinds))}"),
        )
        return (Result(Severity.ERROR, says, evidence=evidence, confidence=0.92),)
    return ()


def _splits(case: Case, pod: Pod) -> bool:
    """Tell whether a pod's node has a card that can be split."""
    devices = case.devices.get(pod.spec.node_name, [])
    return any(can_split(d.device) for d in devices)


def _has_instances(case: Case) -> bool:
    names = (name for node in case.gpu_nodes for name in node.status.allocatable)
    return any(name.startswith("nvidia.com/mig-") for name in names)


def _kinds(case: Case) -> set[str]:
    found: set[str] = set()
    for _, texts in case.texts_of_nodes("nvidia-bug-report"):
        for text in texts:
            found |= {match.lower() for match in _INSTANCES.findall(text.content)}
    return found


_ENABLED = re.compile(r"(?m)^\|[^|\n]*\|[^|\n]*\|\s*(?:On|Enabled)\s*\|\s*$")
"""A row of a card in MIG mode in the table of nvidia-smi: the column of ECC errors says On, too."""
_OF_INSTANCE = re.compile(r"MIG \d+[cg]\.|(?m:^\|\s*\d+\s+\d+\s+\d+\s+\d+\s*\|[^\n]*MiB)")
_NONE_THERE = "No MIG devices found"
_TABLE = "| NVIDIA-SMI "


_BEFORE_CUDA = ("driver-validation", "toolkit-validation")
"""Validations that come before anything asks for a card."""


def _by_table(case: Case, says: str) -> Results:
    """Find cards in MIG mode, by nvidia-smi, without instances, where nothing gets a card."""
    failing = {q.node: q.evidence for q in fails_to_start(case)}
    failing |= {
        one.pod.spec.node_name: Evidence(f"status of Pod/{one.pod.metadata.name}", one.state)
        for one in case.troubles_of(VALIDATOR, PLUGIN, GFD, fails=True)
        if one.container not in _BEFORE_CUDA and one.pod.spec.node_name not in failing
    }
    for where, node, content in _tables(case) if failing else ():
        row, name = _ENABLED.search(content), case.node(node)
        if row is None or name is None or node not in failing or _OF_INSTANCE.search(content):
            continue
        if _parts(name) and _NONE_THERE not in content:  # the table may have been cut off
            continue
        evidence = (Evidence(where, " ".join(row[0].split())), failing[node])
        return (of_node(name, says, evidence, 0.76),)
    return _beside_others(case, says)


def _beside_others(case: Case, says: str) -> Results:
    """Find cards in MIG mode without instances beside others that have some.

    A plugin that offers instances ends with an error there, whatever the other cards have.
    """
    failing = {one.pod.spec.node_name: one for one in case.troubles_of(PLUGIN, GFD, fails=True)}
    for where, node, content in _tables(case) if failing else ():
        has = {int(match[1]) for match in _ROW.finditer(content)}
        bare = [number for number in _in_mode(content) if number not in has]
        name, one = case.node(node), failing.get(node)
        if one is None or name is None or not has or not bare:
            continue
        evidence = (
            Evidence(where, f"GPU {bare[0]} is in MIG mode and has no MIG device"),
            Evidence(f"status of Pod/{one.pod.metadata.name}", one.state),
        )
        return (of_node(name, says, evidence, 0.82),)
    return ()


_CARD = re.compile(r"(?m)^\|\s+(\d+)\s+\S[^|\n]*\|[^|\n]*\|[^|\n]*\|\s*$")
_ROW = re.compile(r"(?m)^\|\s+(\d+)\s+\d+\s+\d+\s+\d+\s*\|[^\n]*MiB")
"""The first row of a card in the table of nvidia-smi, and the row of a MIG device of a card."""


def _in_mode(content: str) -> list[int]:
    """Return the numbers of the cards in MIG mode, which the last of a card's rows tells."""
    cards = list(_CARD.finditer(content))
    places = pairwise([*(card.end() for card in cards), len(content)])
    return [
        int(card[1])
        for card, (start, end) in zip(cards, places, strict=True)
        if re.search(r"(?m)\|\s*Enabled\s*\|\s*$", content[start:end])
    ]


def _tables(case: Case) -> Iterator[tuple[str, str, str]]:
    """Yield the texts that hold the table of nvidia-smi: where they are, and the node."""
    for ref, texts in case.texts_of_nodes("nvidia-bug-report"):
        yield from ((ref.where, ref.node, text.content) for text in texts)
    for log, pod, part in case.logs:
        if pod is not None and part in ON_NODE:
            for text in case.snapshot.texts[log]:
                if _TABLE in text.content:
                    yield log.where, pod.spec.node_name, text.content


_ALL_ON = "all-enabled"
"""Layout that turns MIG mode on and makes no instance (mig-parted's default configuration)."""


def _without_instances(case: Case, says: str) -> Results:
    """Find nodes in MIG mode, by the layout that they have, that offer no GPU and no instance."""
    for node in case.gpu_nodes:
        labels, amounts = node.metadata.labels, node.status.allocatable
        offers = any(n.startswith("nvidia.com/") and str(a) != "0" for n, a in amounts.items())
        if labels.get(_LAYOUT) == _ALL_ON and not offers:
            where = f"labels of Node/{node.metadata.name}"
            evidence = (
                Evidence(where, f"{_LAYOUT}: {_ALL_ON}"),
                Evidence(f"status of Node/{node.metadata.name}", "no GPU and no part of one"),
            )
            return (of_node(node, says, evidence, 0.88),)
    return ()


NO_INSTANCES = cause(
    "OCG1030",
    "mig-enabled-no-devices",
    FAMILY,
    "device-plugin",
    title="GPUs in MIG mode have MIG devices",
    says="MIG mode is on, but no MIG devices were created",
    means="A GPU in MIG mode offers nothing until instances are made on it.",
    remedy=(
        (
            "oc label node {node} nvidia.com/mig.config=all-1g.10gb --overwrite   # a layout of "
            "this "
            "card"
        ),
        "oc label node {node} nvidia.com/mig.config=all-disabled --overwrite",
    ),
    look=any_of(
        said(
            "no mig devices associated with",
            "migenabled=true was not configured correctly: no mig devices",
            "mig mode*enabled*no mig devices",
            "no mig devices found",
            "no mig devices were found",
            "with mig mode enabled*no*instances",
            "at least one mig device is enabled but empty",
            "device * has an invalid mig configuration",
            by=(PLUGIN, GFD, DCGM, EXPORTER, WORKLOAD, VALIDATOR),
            at=0.94,
        ),
        _without_instances,
        _by_table,
    ),
)

STRATEGY = cause(
    "OCG1031",
    "mig-strategy-mismatch",
    FAMILY,
    "device-plugin",
    title="the MIG strategy fits the MIG devices",
    says="the MIG strategy does not fit the MIG devices that exist on the node, or what is asked "
    "for",
    means="Strategy single wants instances of one kind on all GPUs and offers them as "
    "nvidia.com/gpu; mixed offers "
    "each kind under its own name; none offers whole GPUs.",
    remedy=(
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"mig":{"strategy":"mixed"}}}\''
        ),
        "oc describe node {node} | grep nvidia.com/",
    ),
    look=any_of(
        said(
            "mig-strategy=single*",
            "more than one mig device type present",
            "invalid configuration detected for mig-strategy",
            "invalid mig configuration",
            "mig strategy*invalid",
            "mig_strategy=*not",
            "all devices must have the same",
            "configured with the same migenabled value",
            "not all gpus are configured*mig",
            by=(PLUGIN, GFD),
            at=0.9,
        ),
        _called_invalid,
        said("migstrategysingle).getplugins", by=(PLUGIN,), sources=("log",), at=0.55),
        _mismatch,
    ),
)

_NOT_WHOLE = ("nvmlerror_nopermission", "nvml*insufficient permissions")


def _of_user(case: Case, says: str) -> Results:
    """Find programs with parts of a card that fail, as they may not ask for the whole card."""
    quotes = [
        q
        for q in find(case, _NOT_WHOLE, (WORKLOAD,), ("log",))
        if q.live and q.pod is not None and _asks_for_parts(q.pod)
    ]
    if not quotes:
        return ()
    told = result(f"{_WHOLE}: {says}", quotes, at=0.45)
    look = (
        "leave out what asks NVML for the whole card, or let the program do without the answer",
    )
    return (structs.replace(told, remedy=look),)


_WHOLE = "a program asks NVML for the whole card, of which it has a part"


def _asks_for_parts(pod: Pod) -> bool:
    every = (name for one in pod.spec.every for name in one.resources.limits)
    return any(name.startswith("nvidia.com/mig-") for name in every)


MONITOR = cause(
    "OCG1033",
    "mig-monitor-env-missing",
    FAMILY,
    "device-plugin",
    title="whoever watches MIG devices may",
    says="a container lacks the MIG monitoring capability that it needs on a MIG node",
    means="To read all MIG devices a container needs NVIDIA_MIG_MONITOR_DEVICES=all (or "
    "NVIDIA_MIG_CONFIG_DEVICES) "
    "and CAP_SYS_ADMIN.",
    remedy=("oc set env daemonset/NAME -n {namespace} NVIDIA_MIG_MONITOR_DEVICES=all",),
    look=any_of(
        _unpermitted,
        _of_user,
        said(
            "nvidia_mig_monitor_devices",
            "cannot set mig_monitor_devices",
            "mig monitor",
            "nvidia-capabilities/mig/monitor",
            "capabilities/mig",
            "error getting*mig*insufficient permissions",
            "no permission*mig",
            "dcgm_st_no_permission",
            by=(EXPORTER, DCGM, GFD, PLUGIN, MIG),
            at=0.9,
        ),
        _unasked,
    ),
)


CAUSES = (NO_INSTANCES, STRATEGY, MONITOR)
