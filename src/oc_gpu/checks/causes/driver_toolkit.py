"""Layer driver-toolkit: the image in which OpenShift builds the driver."""

import re

from oc_gpu.checks.case import FEATURES, Case, status
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.components import DRIVER, OPERATOR
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import cause, find, result
from oc_gpu.checks.troubles import PULLING
from oc_gpu.snapshot.kinds import DaemonSet, Node

_FAMILY = "driver-toolkit"
_OSTREE = f"{FEATURES}system-os_release.OSTREE_VERSION"
_KERNEL = f"{FEATURES}kernel-version.full"
_BUILD = re.compile(r"CoreOS (\d[\w.-]+)")
_MISSING = "openshift.driver-toolkit.rhcos-image-missing"


def _build(node: Node) -> str:
    match = _BUILD.search(node.status.node_info.os_image)
    return match[1] if match and "Red Hat" in node.status.node_info.os_image else ""


def mislabelled(case: Case) -> frozenset[str]:
    """Return the nodes that carry the label of another build than they run."""
    return frozenset(
        node.metadata.name
        for node in case.gpu_nodes
        if (told := node.metadata.labels.get(_OSTREE, "")) and told != (_build(node) or told)
    )


def _made(node: Node, says: str, evidence: tuple[Evidence, ...], at: float) -> Result:
    name = node.metadata.name
    objects, told = (f"Node/{name}",), {"node": name}
    return Result(Severity.ERROR, says, None, objects, evidence, confidence=at, about=told)


def _tags(case: Case) -> list[str] | None:
    """Return the tags of the Driver Toolkit's imagestream, None when it was not read."""
    for raw in case.snapshot.table("imagestreams"):
        if raw["metadata"]["name"] == "driver-toolkit":
            return [str(tag.get("tag") or "") for tag in status(raw).get("tags") or []]
    return None


def _toolkit(case: Case) -> bool:
    """Tell whether the operator builds with Driver Toolkit here."""
    off = False in (
        case.setting("operator", "use_ocp_driver_toolkit"),
        case.setting("driver", "use_ocp_driver_toolkit"),
    )
    enabled = case.setting("driver", "enabled") is not False
    return (
        case.operator_version >= (1, 9)
        and not off
        and enabled
        and not case.setting("driver", "usePrecompiled")
    )


def _stale(case: Case, says: str) -> Results:
    for node in case.gpu_nodes:
        labels, name = node.metadata.labels, node.metadata.name
        told, has = labels.get(_OSTREE, ""), _build(node)
        kernel, runs = labels.get(_KERNEL, ""), node.status.node_info.kernel_version
        if told and has and told != has:
            evidence = (
                Evidence(f"labels of Node/{name}", f"{_OSTREE}: {told}"),
                Evidence(f"status of Node/{name}", f"osImage: {node.status.node_info.os_image}"),
            )
            return (_made(node, says, evidence, 0.95),)
        if kernel and runs and kernel != runs and (told or case.on_openshift):
            evidence = (
                Evidence(f"labels of Node/{name}", f"{_KERNEL}: {kernel}"),
                Evidence(f"status of Node/{name}", f"kernelVersion: {runs}"),
            )
            return (_made(node, says, evidence, 0.93),)
    quotes = [q for q in find(case, ("broken driver toolkit detected",), (DRIVER,)) if q.live]
    return (result(says, quotes, at=0.8),) if quotes else ()


def _marked(case: Case) -> list[DaemonSet]:
    """Return the drivers that the operator marked as having no Driver Toolkit."""
    return [
        item
        for item in case.sets_of(DRIVER)
        if _MISSING in item.metadata.labels or _MISSING in item.spec.template.metadata.labels
    ]


def lacks_image(case: Case) -> bool:
    """Tell whether the driver falls back to packages, because Driver Toolkit is not there."""
    return bool(_image(case, "")) and case.on_openshift


def _image(case: Case, says: str) -> Results:
    marked = _marked(case)
    tags = _tags(case)
    for node in case.gpu_nodes:
        wanted = node.metadata.labels.get(_OSTREE, "")
        if not wanted or not _toolkit(case) or wanted != (_build(node) or wanted):
            continue
        gone = tags is not None and wanted not in tags
        if not gone and not marked:
            continue
        if not case.unwell:
            continue
        evidence = [Evidence(f"labels of Node/{node.metadata.name}", f"{_OSTREE}: {wanted}")]
        if gone:
            known = ", ".join(tag or '""' for tag in tags or []) or "none"
            evidence.append(Evidence("tags of ImageStream/driver-toolkit", known))
        evidence += [
            Evidence(f"labels of DaemonSet/{m.metadata.name}", _MISSING) for m in marked[:1]
        ]
        return (_made(node, says, tuple(evidence), 0.94),)
    quotes = find(
        case,
        (
            "not found in the driver-toolkit imagestream",
            "driver-toolkit imagestream*not found",
            "no driver toolkit image",
            "could not find*driver-toolkit",
            'imagestreams.image.openshift.io "driver-toolkit" not found',
            "driver-toolkit imagestream tag*empty",
            "rhcos_image_missing",
            "imagetag missing",
            "in the ocp drivertoolkit",
            "could not find 'rhcosversion'",
            "'istag/driver-toolkit:*missing",
            "rhcos driver-toolkit image missing",
            "drivertoolkit image tag missing",
            "driver-toolkit imagestream is broken",
            "drivertoolkitenabledimagestream",
            "drivertoolkitenabledimagetagsmissing",
        ),
        (OPERATOR, DRIVER, "alert"),
        ("log", "event", "state", "alert"),
    )
    quotes = [q for q in quotes if q.live]
    if quotes:
        return (result(says, quotes, at=0.9),)
    return _of_another_kernel(case) or _built_without(case, says)


def _built_without(case: Case, says: str) -> Results:
    """Find drivers that fail without the container that builds them, where there is no stream.

    The operator leaves that container out where it finds no image for it.
    """
    wanted = [node for node in case.gpu_nodes if node.metadata.labels.get(_OSTREE)]
    if not wanted or _tags(case) is not None or not _toolkit(case) or not case.on_openshift:
        return ()
    for one in case.troubles_of(DRIVER, fails=True):
        names = [container.name for container in one.pod.spec.every]
        if one.init or one.state in PULLING or any("driver-toolkit" in name for name in names):
            continue
        told = Evidence(f"spec of Pod/{one.pod.metadata.name}", f"containers {', '.join(names)}")
        label = f"{_OSTREE}: {wanted[0].metadata.labels[_OSTREE]}"
        where = Evidence(f"labels of Node/{wanted[0].metadata.name}", label)
        return (_made(wanted[0], says, (told, where), 0.75),)
    return ()


def _of_another_kernel(case: Case) -> Results:
    """Find images of Driver Toolkit that are not of their node's kernel, though the tag fits."""
    broken = find(case, ("broken driver toolkit image detected",), (DRIVER,), ("log",))
    live = [q for q in broken if q.live and q.node not in mislabelled(case)]
    kernels = find(case, ("kernel package: ",), (DRIVER,), ("log",)) if live else []
    more = tuple(q.evidence for q in kernels if q.pod is live[0].pod)[:1]
    return (result(_OTHER_KERNEL, live, at=0.85, more=more),) if live else ()


_OTHER_KERNEL = (
    "the driver-toolkit imagestream has no image of the kernel that the node runs: the one of its "
    "build holds another kernel"
)


def _label(case: Case, says: str) -> Results:
    for node in case.labelled:
        if not _build(node) or not _toolkit(case) or not case.unwell:
            continue
        if _OSTREE in node.metadata.labels or case.openshift[:2] < (4, 8):
            continue
        name = node.metadata.name
        evidence = (
            Evidence(f"labels of Node/{name}", f"no {_OSTREE}"),
            Evidence(f"status of Node/{name}", f"osImage: {node.status.node_info.os_image}"),
        )
        return (_made(node, says, evidence, 0.92),)
    phrases = (
        "ostree_version*not found",
        "no ostree",
        "have the proper nfd rhcos version label",
        "failed to get rhcos version",
        "drivertoolkitenablednfdtooold",
        "nfd version deployed in the cluster is too old",
    )
    quotes = [q for q in find(case, phrases, (OPERATOR, "alert"), ("log", "alert")) if q.live]
    return (result(says, quotes, at=0.85),) if quotes else ()


STALE = cause(
    "OCG0720",
    "nfd-stale-labels",
    _FAMILY,
    "driver-toolkit",
    title="NFD's labels name the system that the nodes run",
    says="NFD's label names an older system than the node runs, so the Driver Toolkit of another "
    "kernel is used",
    means="The node was updated and NFD did not label it anew. The operator takes the build from "
    "the label, and "
    "the build container refuses, because its kernel is not the node's.",
    remedy=(
        "oc get node {node} -o jsonpath='{.status.nodeInfo.osImage}'",
        "oc delete pods -n openshift-nfd --all   # labels are written anew",
    ),
    look=_stale,
)
IMAGE = cause(
    "OCG0721",
    "dtk-image-missing",
    _FAMILY,
    "driver-toolkit",
    title="the driver-toolkit imagestream has a tag for the node's system",
    says="the driver-toolkit imagestream has no tag for the operating-system build of the node",
    means="The tag comes with the release that the cluster runs. A node of another build, an "
    "imagestream with an "
    "empty tag (BZ 2014071) or one that was not imported has none.",
    remedy=(
        "oc get imagestream driver-toolkit -n openshift -o jsonpath='{.status.tags[*].tag}'",
        (
            "oc delete imagestream driver-toolkit -n openshift   # the cluster version operator "
            "makes "
            "it anew"
        ),
        "oc get mcp   # is the node on the cluster's release?",
    ),
    look=_image,
)
LABEL = cause(
    "OCG0722",
    "nfd-ostree-label-missing",
    _FAMILY,
    "driver-toolkit",
    title="GPU nodes carry the label of their operating-system build",
    says="the GPU nodes lack the operating-system build label that Driver Toolkit needs",
    means="NFD of OpenShift writes it; the upstream NFD and configurations that leave the source "
    "system out do not.",
    remedy=(
        "oc get node {node} --show-labels | tr , '\\n' | grep os_release",
        "use the NFD operator of the catalog redhat-operators",
    ),
    look=_label,
)

CAUSES = (STALE, IMAGE, LABEL)
