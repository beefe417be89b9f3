"""Layer driver: images of operands that are of another release than what is around them."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec import Struct, structs

from oc_gpu.checks.case import Case, key, status, version
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.driver_image import FAMILY
from oc_gpu.checks.components import (
    DCGM,
    DRIVER,
    EXPORTER,
    MIG,
    ON_NODE,
    PLUGIN,
    TOOLKIT,
    VALIDATOR,
)
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import cause, note, of_pod, shown
from oc_gpu.snapshot.kinds import DaemonSet, Pod

_OF_BUILD = "openshift.driver-toolkit.rhcos"
"""Label of a driver's DaemonSet with the build of RHCOS that it is for (gpu-operator)."""
_BUILDER = "openshift-driver-toolkit-ctr"


def _old_toolkit(case: Case, says: str) -> Results:
    """Find drivers whose Driver Toolkit is of another build than their DaemonSet is for."""
    known = _toolkits(case)
    for item in case.sets_of(DRIVER):
        build = item.metadata.labels.get(_OF_BUILD, "")
        image = next((c.image for c in item.spec.template.spec.every if c.name == _BUILDER), "")
        has, wanted = image.rpartition("@")[2], known.get(build, ())
        if not wanted or "@sha256:" not in image or has in wanted:
            continue
        if not case.troubles_of(DRIVER):
            continue
        where = f"DaemonSet/{item.metadata.name}"
        evidence = (
            Evidence(f"{where}, {_BUILDER}", f"image {has}"),
            Evidence("ImageStream/driver-toolkit", f"{build}: {wanted[0]}"),
        )
        told = {"namespace": item.metadata.namespace}
        return (
            Result(Severity.ERROR, says, None, (where,), evidence, confidence=0.86, about=told),
        )
    return ()


def _toolkits(case: Case) -> dict[str, tuple[str, ...]]:
    """Return the digests of Driver Toolkit for each build, those of earlier imports included."""
    return {
        str(tag.get("tag") or ""): tuple(
            str(one.get("image") or "") for one in tag.get("items") or [] if one.get("image")
        )
        for raw in case.snapshot.table("imagestreams")
        if raw["metadata"]["name"] == "driver-toolkit"
        for tag in status(raw).get("tags") or []
    }


_SUFFIX = re.compile(r"-(rhcos|rhel|ubuntu|centos|fedora|sles)(\d+(?:\.\d+)?)$")


def _stale(case: Case, says: str) -> Results:
    for component, item in case.sets:
        if component not in ON_NODE:
            continue
        spec = item.spec.template.spec
        tags = {c.name: c.image.rpartition(":")[2] for c in spec.every}
        suffixes = {n: m[0] for n, tag in tags.items() if (m := _SUFFIX.search(tag))}
        found = _odd(suffixes) if component == DRIVER else None
        found = found or _old_validator(case, [c.image for c in spec.every])
        if found is None or not _troubled(case, component):
            continue
        at = 0.9 if case.troubles_of(component) else 0.6
        where = f"DaemonSet/{item.metadata.name}"
        evidence = (Evidence(where, shown(found)),)
        objects = (where,)
        told = {"namespace": item.metadata.namespace}
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=at, about=told),)
    return (
        _old_system(case, says)
        or _old_kernel(case, says)
        or _odd_one(case, says)
        or _old_toolkit(case, says)
        or _of_before(case)
        or _not_written(case)
    )


_OWN = re.compile(r"/(gpu-operator(?:-validator)?)@(sha256:\w+)$")
"""The image by which operands wait for each other: all have it from the same operator."""


def _odd_one(case: Case, says: str) -> Results:
    """Find the one operand that fails with another build of the operator's image than all."""
    digests = {
        item.metadata.name: (component, item, match[2])
        for component, item in case.sets
        if component in ON_NODE
        for one in item.spec.template.spec.every
        if (match := _OWN.search(one.image)) is not None
    }
    counts = Counter(digest for _, _, digest in digests.values())
    for name, (component, item, digest) in digests.items():
        usual, many = counts.most_common(1)[0]
        if counts[digest] > 1 or many < _COMPARED or not case.troubles_of(component, fails=True):
            continue
        evidence = (
            Evidence(f"DaemonSet/{name}", f"the operator's image {digest}"),
            Evidence(f"{many} other DaemonSets", usual),
        )
        objects, told = (f"DaemonSet/{name}",), {"namespace": item.metadata.namespace}
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.7, about=told),)
    return ()


_PARTS = {
    DRIVER: "driver",
    TOOLKIT: "toolkit",
    PLUGIN: "devicePlugin",
    EXPORTER: "dcgmExporter",
    DCGM: "dcgm",
    MIG: "migManager",
    VALIDATOR: "validator",
}
"""Operands and their parts of the ClusterPolicy."""
_NOT_WRITTEN = "a DaemonSet has another image than the ClusterPolicy names: it is not written anew"


def _not_written(case: Case) -> Results:
    """Note the one operand whose image is of another release than the ClusterPolicy asks for.

    Where more of them differ, the ClusterPolicy is not what the operator goes by.
    """
    every = [one for component, item in case.sets if (one := _asked(case, component, item))]
    other = [one for one in every if _is_other(f"x:{one.asked}", one.has)]
    older = [one for one in other if version(one.has.rpartition(":")[2]) < version(one.asked)]
    if len(other) != 1 or not older or len(every) < _COMPARED:
        return ()
    (one,) = other
    where = f"DaemonSet/{one.item.metadata.name}"
    evidence = (
        Evidence(where, f"image {one.has}"),
        Evidence("ClusterPolicy", f"spec.{one.part}.version: {one.asked}"),
    )
    told = {"namespace": one.item.metadata.namespace}
    found = Result(
        Severity.WARNING, _NOT_WRITTEN, None, (where,), evidence, confidence=0.45, about=told
    )
    return (found,)


_COMPARED = 3
"""Operands that have to be compared, so that one that differs stands out."""


class _Asked(Struct, frozen=True):
    """An operand, the image that it has, and the version that the ClusterPolicy asks for."""

    item: DaemonSet
    part: str
    asked: str
    has: str


def _asked(case: Case, component: str, item: DaemonSet) -> _Asked | None:
    name = _PARTS.get(component, "")
    part = case.setting(name) or {}
    image, tag = str(part.get("image") or ""), str(part.get("version") or "")
    images = [c.image for c in item.spec.template.spec.containers]
    has = next((one for one in images if image and f"/{image}:" in one), "")
    return _Asked(item, name, tag, has) if has and version(tag) else None


_OLD_POD = "a pod fails, and is older than the image that its DaemonSet has by now"
_NOT_REPLACED = "a pod has another image than its DaemonSet by now: it was not made anew"


def _of_before(case: Case) -> Results:
    """Find pods older than the image of their DaemonSet: a guess where they fail, else a note."""
    aged: Results = ()
    for component, item in case.sets:
        now = item.status
        renewed = now.updated_number_scheduled == now.desired_number_scheduled
        # A count may be of before, too, but there are many pods, and few of them fail.
        failing = (one.pod for one in case.troubles_of(component, fails=True))
        pods = failing if renewed else case.pods_of(component)
        for pod, evidence in _older(pods, item):
            trouble = case.trouble.get(key(pod))
            if trouble is not None and trouble.fails:
                return (_renew(of_pod(pod, _OLD_POD, evidence, 0.48)),)
            if trouble is None and component != DRIVER:  # the upgrade controller renews drivers
                aged = aged or (note(_renew(of_pod(pod, _NOT_REPLACED, evidence, 0.45))),)
    return aged


def _older(pods: Iterable[Pod], item: DaemonSet) -> Iterator[tuple[Pod, tuple[Evidence, ...]]]:
    wanted = {c.name: c.image for c in item.spec.template.spec.every}
    for pod in pods:
        for one in pod.spec.every if pod.controller == item.metadata.name else ():
            image = wanted.get(one.name, "")
            if image and _differs(image, one.image):
                yield (
                    pod,
                    (
                        Evidence(f"Pod/{pod.metadata.name}, {one.name}", f"image {one.image}"),
                        Evidence(f"DaemonSet/{item.metadata.name}", f"image {image}"),
                    ),
                )


def _differs(image: str, other: str) -> bool:
    if "@" in image and "@" in other:
        return image.rpartition("@")[2] != other.rpartition("@")[2]
    return _is_other(image, other)


_KERNEL = re.compile(r"\d+\.\d+\.\d+-\d*[\w.]+")


def _old_kernel(case: Case, says: str) -> Results:
    """Find precompiled drivers whose image is for another kernel than the one that runs."""
    for one in case.troubles_of(DRIVER):
        node = case.node(one.pod.spec.node_name)
        images = [c.image for c in one.pod.spec.containers if "driver" in c.name]
        match = _KERNEL.search(images[0].rpartition(":")[2].partition("-")[2]) if images else None
        runs = node.status.node_info.kernel_version if node is not None else ""
        bare = runs.removesuffix(".x86_64").removesuffix(".aarch64")
        if match is None or not runs or bare in images[0]:
            continue
        evidence = (
            Evidence(f"Pod/{one.pod.metadata.name}", f"image {images[0]}"),
            Evidence(f"status of Node/{one.pod.spec.node_name}", f"kernel {runs}"),
        )
        return (of_pod(one.pod, says, evidence, 0.6, one.container),)
    return ()


def _renew(found: Result) -> Result:
    """Return a finding about a pod of before with the way to a new one."""
    place = f"-n {found.about['namespace']} {found.about['pod']}"
    return structs.replace(
        found, remedy=(f"oc delete pod {place}   # its DaemonSet makes it anew",)
    )


def _is_other(image: str, other: str) -> bool:
    one, two = (version(each.rpartition(":")[2]) for each in (image, other))
    return bool(one and two) and one != two


def _troubled(case: Case, component: str) -> bool:
    return bool(case.troubles_of(component)) or case.unwell


def _odd(suffixes: dict[str, str]) -> str | None:
    if len(set(suffixes.values())) < 2:  # noqa: PLR2004
        return None
    return ", ".join(f"{name} has {suffix}" for name, suffix in suffixes.items())


def _old_validator(case: Case, images: list[str]) -> str | None:
    """Return containers that run the operator's own image of another release."""
    wanted = case.operator_version
    for image in images:
        own = "gpu-operator-validator:" in image or "/gpu-operator:" in image
        has = version(image.rpartition(":")[2])
        if own and has and wanted and has != wanted:
            return f"image {image}, and the operator is {'.'.join(map(str, wanted))}"
    return None


def _old_system(case: Case, says: str) -> Results:
    """Find driver pods whose image is for another system than the node runs."""
    for one in case.troubles_of(DRIVER):
        node = case.node(one.pod.spec.node_name)
        images = [c.image for c in one.pod.spec.containers if "driver" in c.name]
        match = _SUFFIX.search(images[0]) if images else None
        if node is None or match is None:
            continue
        wanted = _system(case, node.status.node_info.os_image)
        if wanted and wanted[0] == match[1] and wanted[1] != match[2] and "." in match[2]:
            evidence = (
                Evidence(f"Pod/{one.pod.metadata.name}", f"image {images[0]}"),
                Evidence(f"status of Node/{node.metadata.name}", node.status.node_info.os_image),
            )
            return (of_pod(one.pod, says, evidence, 0.86, one.container),)
    return ()


def _system(case: Case, text: str) -> tuple[str, str] | None:
    if "CoreOS" in text and "Red Hat" in text:
        release = case.openshift[:2]
        return ("rhcos", ".".join(map(str, release))) if release else None
    match = re.search(r"(?i)(ubuntu|centos|red hat|sles|rocky)\D*(\d+(?:\.\d+)?)", text)
    if match is None:
        return None
    return match[1].lower().replace("red hat", "rhel"), match[2]


STALE = cause(
    "OCG0834",
    "operand-image-stale",
    FAMILY,
    "driver",
    title="all containers of an operand have images of one release",
    says="a container of an operand still carries the image of an earlier system or operator "
    "release",
    means="The DaemonSet was changed in part: the operator did not write it anew after the "
    "upgrade.",
    remedy=(
        "oc get daemonsets -n {namespace} -o wide",
        "oc delete daemonset NAME -n {namespace}   # the operator makes it anew",
    ),
    look=_stale,
)


CAUSES = (STALE,)
