"""Checks of releases against each other: catalogs, builds, Driver Toolkit, driver and cards."""

import re
from collections.abc import Iterator

from oc_gpu import facts
from oc_gpu.checks.cards import generation
from oc_gpu.checks.catalogue import Check, Result, Results
from oc_gpu.checks.hardware import cards_at_boot, gpu_nodes
from oc_gpu.checks.inputs import Inputs, Software
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.kube import RawObject
from oc_gpu.snapshot.kinds import Node
from oc_gpu.snapshot.model import spec_of
from oc_gpu.stages import operators

_MARKETPLACE = "openshift-marketplace"
_READY = "READY"
_FAMILY = "nvidia.com/gpu.family"


def _catalogs(inputs: Inputs) -> Results:
    wanted = {operator.catalog for operator in inputs.operators if operator.catalog}
    wanted |= {_catalog_of(inputs, operator.package) for operator in inputs.operators}
    found = [
        raw for raw in inputs.snapshot.table("catalogsources") if raw["metadata"]["name"] in wanted
    ]
    return tuple(_catalog(raw) for raw in found)


def _catalog_of(inputs: Inputs, package: str) -> str:
    """Return the catalog of a Subscription that has not become an operator yet, empty if none."""
    sub = operators.subscription(inputs.snapshot, package)
    if sub is None or (operators.csv_of(inputs.snapshot, sub) or {}).get("status"):
        return ""
    return str(spec_of(sub).get("source") or "")


def _catalog(raw: RawObject) -> Result:
    name = raw["metadata"]["name"]
    objects = (f"CatalogSource/{name}",)
    state = ((raw.get("status") or {}).get("connectionState") or {}).get("lastObservedState")
    if state in (None, _READY):
        return Result(Severity.OK, f"catalog {name} answers", objects=objects)
    title = f"catalog {name} does not answer ({state}), so OLM resolves nothing"
    seen = (Evidence(objects[0], f"status.connectionState.lastObservedState: {state}"),)
    remedy = (
        f"oc get pods -n {_MARKETPLACE} -l olm.catalogSource={name}",
        f"oc describe catalogsource -n {_MARKETPLACE} {name}",
    )
    return Result(Severity.ERROR, title, "olm-catalogsource-unhealthy", objects, seen, remedy)


def _build(inputs: Inputs) -> Results:
    software = inputs.software
    if not software.operator:
        return ()
    if not software.avoid:
        title = f"nothing is known against GPU Operator {software.operator}"
        return (Result(Severity.OK, title),)
    title = f"GPU Operator {software.operator} is known to fail: {software.avoid}"
    remedy = (
        f"oc get subscription -A | grep {facts.gpu_operator().package}",
        "take another release: spec.gpuOperator.version of the GpuPlatform document",
    )
    return (Result(Severity.ERROR, title, "unsupported-version-matrix", remedy=remedy),)


_BUILD = re.compile(r"CoreOS (\S+)")


def _toolkit_tags(inputs: Inputs) -> Results:
    if inputs.entitlement.needed:
        return ()
    stream = inputs.snapshot.raw("imagestreams", "driver-toolkit", "openshift")
    if stream is None:
        title = "the release has no ImageStream driver-toolkit, so the driver needs packages"
        return (Result(Severity.WARNING, title, "dtk-image-missing", remedy=(_LOOK,)),)
    tags = [str(tag.get("tag") or "") for tag in (stream.get("status") or {}).get("tags") or ()]
    names = set(gpu_nodes(inputs)) or {node.metadata.name for node in inputs.workers}
    nodes = [node for node in inputs.workers if node.metadata.name in names]
    return (*_unnamed(tags), *_by_build(nodes, tags))


_LOOK = "oc get imagestream -n openshift driver-toolkit -o yaml"


def _unnamed(tags: list[str]) -> Iterator[Result]:
    if "" in tags:
        title = "ImageStream driver-toolkit has a tag without a name, which an update left"
        again = "oc delete imagestream -n openshift driver-toolkit   # it is made again"
        objects = ("ImageStream/driver-toolkit",)
        yield Result(Severity.ERROR, title, "dtk-image-missing", objects, remedy=(again,))


def _by_build(nodes: list[Node], tags: list[str]) -> Iterator[Result]:
    builds: dict[str, list[str]] = {}
    for node in nodes:
        match = _BUILD.search(node.status.node_info.os_image)
        builds.setdefault(match[1] if match else "", []).append(node.metadata.name)
    for build, names in builds.items():
        objects = tuple(f"Node/{name}" for name in names)
        where = names[0] if len(names) == 1 else f"{len(names)} nodes"
        if not build:
            title = f"{where}: no RHCOS build in osImage, so its Driver Toolkit is not known"
            yield Result(Severity.UNKNOWN, title, objects=objects)
        elif build in tags:
            title = f"the Driver Toolkit has an image for RHCOS {build} of {where}"
            yield Result(Severity.OK, title, objects=objects)
        else:
            seen = (Evidence("ImageStream/driver-toolkit", f"tags: {', '.join(tags) or 'none'}"),)
            title = f"the Driver Toolkit has no image for RHCOS {build} of {where}"
            remedy = (_LOOK, "finish the update of the cluster: oc get clusterversion,mcp")
            yield Result(Severity.ERROR, title, "dtk-image-missing", objects, seen, remedy)


def _cards(inputs: Inputs) -> Results:
    if not inputs.software.driver:
        return ()
    nodes = {node.metadata.name: node for node in inputs.snapshot.nodes}
    return tuple(
        result for name in gpu_nodes(inputs) for result in _on_node(inputs, name, nodes.get(name))
    )


def _on_node(inputs: Inputs, name: str, node: Node | None) -> Iterator[Result]:
    found = {
        generation(card.partition(":")[2]): f"kernel messages of {name}, {card}"
        for card in cards_at_boot(inputs.snapshot, name)
    }
    family = node.metadata.labels.get(_FAMILY, "") if node is not None else ""
    if family and not found:
        found = {family.partition("-")[0]: f"labels of Node/{name}, {_FAMILY}: {family}"}
    known = facts.drivers().architectures
    for one, where in found.items():
        if one.capitalize() in known:
            yield _fits(inputs.software, name, one.capitalize(), where)
        else:
            title = f"the generation of a card of {name} is not known here"
            seen = (Evidence("read", where),)
            yield Result(Severity.UNKNOWN, title, None, (f"Node/{name}",), seen)


def _fits(software: Software, name: str, architecture: str, where: str) -> Result:
    branch = facts.driver_branch(software.driver)
    objects, seen = (f"Node/{name}",), (Evidence("read", where),)
    what = f"{name} has a card of generation {architecture}"
    if not facts.drives(branch, architecture):
        older = facts.is_older(architecture, branch.oldest)
        fit = facts.fitting_branch(architecture)
        title = f"{what}, which driver {software.driver} does not drive"
        cause = "gpu-too-old-for-driver" if older else "unsupported-version-matrix"
        remedy = (f"name a driver of branch {fit}: spec.driver.version of the ClusterPolicy",)
        return Result(Severity.ERROR, title, cause, objects, seen, remedy)
    wrong = facts.wrong_modules(architecture, software.modules)
    if wrong is not None:
        title = f"{what}, which the {software.modules} kernel modules do not drive"
        needed = (
            "open-kernel-module-required" if wrong == "open" else ("open-kernel-module-unsupported")
        )
        remedy = (f"set spec.driver.kernelModuleType of the ClusterPolicy to {wrong}",)
        return Result(Severity.ERROR, title, needed, objects, seen, remedy)
    return Result(Severity.OK, f"{what}; driver {software.driver} drives it", objects=objects)


def _virtual(inputs: Inputs) -> Results:
    problem = inputs.virtual
    if problem is None:
        return ()
    return (Result(Severity.ERROR, problem.detail, problem.cause, remedy=problem.hints),)


VIRTUAL = Check(
    "OCG0807",
    "vgpu-driver",
    "driver",
    "virtual GPUs get their driver and licence",
    _virtual,
    ("nodes",),
)
CATALOGS = Check(
    "OCG0504",
    "catalogs",
    "olm",
    "the catalogs of the operators answer",
    _catalogs,
    ("catalogsources", "subscriptions"),
)
BUILDS = Check(
    "OCG0505",
    "known-bad-builds",
    "olm",
    "nothing is known against the GPU Operator's release",
    _build,
    ("subscriptions",),
)
TOOLKIT_TAGS = Check(
    "OCG0702",
    "driver-toolkit-tags",
    "driver-toolkit",
    "the Driver Toolkit has an image for the RHCOS of each node",
    _toolkit_tags,
    ("imagestreams", "nodes"),
)
CARDS = Check(
    "OCG0803",
    "cards-and-driver",
    "driver",
    "the driver and its kernel modules fit the cards",
    _cards,
    ("nodes", "clusterpolicies"),
)
