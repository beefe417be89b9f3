"""Layer driver: images of the driver and of the other operands that do not exist or do not fit."""

from oc_gpu.checks.case import Case, spec, version
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.pulling import NOT_THERE, about_pulls, lacks_several, pulls
from oc_gpu.checks.components import DRIVER, GPU_STACK, OPERATOR
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import any_of, cause, find, of_pod, result, said
from oc_gpu.checks.troubles import Trouble

FAMILY = "driver-image"
_ELSEWHERE = (
    "x509",
    "proxyconnect",
    "timeout",
    "timed out",
    "refused",
    "unauthorized",
    "denied",
    "forbidden",
    "toomanyrequests",
    "qps exceeded",
    "failed to do request",
    "failed to copy",
    "pinging container registry",
    "pinging docker registry",
    "daemon: get",
    "canceled",
    "reset by peer",
    "too many requests",
    "no such host",
    "no route",
    "unreachable",
    "authentication required",
    "deadline exceeded",
)
"""What a failed pull says where the image is not what is wrong."""


def _driver_pulls(case: Case) -> list[Trouble]:
    names = ("driver-manager", "toolkit-ctr")
    return [t for t in pulls(case, DRIVER) if not any(name in t.container for name in names)]


def _explained(case: Case, trouble: Trouble) -> bool:
    """Tell whether the registry gave another reason than that there is no such image."""
    name = trouble.pod.metadata.name
    texts = [trouble.message]
    texts += [e.message for e in case.snapshot.events if e.involved_object.name == name]
    return any(word in text.lower() for text in texts for word in _ELSEWHERE)


def _images_of(case: Case, trouble: Trouble) -> tuple[Evidence, ...]:
    pod = trouble.pod.metadata.name
    found = [
        Evidence(f"status of Pod/{pod}, {trouble.container}", f"{trouble.state} {trouble.image}")
    ]
    quotes = [q for q in about_pulls(case, NOT_THERE) if q.pod is trouble.pod]
    return (*found, *(quote.evidence for quote in quotes[:1]))


def _precompiled(case: Case, says: str) -> Results:
    wanted = case.setting("driver", "usePrecompiled") is True
    for one in _driver_pulls(case):
        node = case.node(one.pod.spec.node_name)
        kernel = node.status.node_info.kernel_version if node is not None else ""
        labelled = one.pod.metadata.labels.get("nvidia.com/precompiled") == "true"
        stem = kernel.split("-")[0]
        in_tag = bool(stem) and stem in one.image.rpartition(":")[2]
        if (wanted or labelled or in_tag) and not _explained(case, one):
            more = (
                Evidence(f"status of Node/{one.pod.spec.node_name}", f"kernelVersion: {kernel}"),
            )
            return (of_pod(one.pod, says, (*_images_of(case, one), *more), 0.95, one.container),)
    return ()


_NO_MODULES = tuple(
    f"unable to locate package linux-{part}-nvidia-"
    for part in ("objects", "signatures", "modules")
)
"""What images of precompiled drivers say that fetch the modules of the running kernel in vain."""


def _tag(case: Case, says: str) -> Results:
    for one in _driver_pulls(case):
        if case.setting("driver", "usePrecompiled") is True or _explained(case, one):
            continue
        evidence = _images_of(case, one)
        others = [t for t in pulls(case) if t.pod is not one.pod]
        by_digest = "@" in one.image
        apart = lacks_several(case) and len(evidence) == 1
        open_why = by_digest or apart or _is_usual(case, one) or _goes_elsewhere(case, one.image)
        at = 0.93 if len(evidence) > 1 else 0.45 if open_why else 0.6 if others else 0.78
        return (of_pod(one.pod, says, evidence, at, one.container),)
    return ()


_USUAL = {"ubuntu20.04": (1, 3), "ubuntu22.04": (22, 9), "ubuntu24.04": (24, 9)}
"""Systems for which each driver that is a default has an image, by the operator's first release
with them (its platform support page)."""


def _is_usual(case: Case, trouble: Trouble) -> bool:
    """Tell whether an image is of a system for which there should be one."""
    first = next((v for name, v in _USUAL.items() if trouble.image.endswith(f"-{name}")), None)
    return first is not None and case.operator_version >= first


_PUBLISHES = ("nvcr.io/", "registry.gitlab.com/nvidia/")
"""Where NVIDIA publishes driver images."""


def _goes_elsewhere(case: Case, image: str) -> bool:
    """Tell whether a pull goes through a proxy, to a mirror, or to a registry of one's own."""
    mirrors = ("imagedigestmirrorsets", "imagetagmirrorsets", "imagecontentsourcepolicies")
    proxied = any(
        spec(raw).get(name) for raw in case.snapshot.table("proxies") for name in _PROXIES
    )
    own = bool(image) and not image.startswith(_PUBLISHES)
    return own or proxied or any(case.snapshot.table(name) for name in mirrors)


_PROXIES = ("httpProxy", "httpsProxy")


_NO_IMAGE = (
    "empty image path provided",
    "imagepath*not set",
    "image path*empty",
    "failed to find image",
    "unable to get image",
    "driver image path*invalid",
    "invalid values for driver image",
    "failed to get image for driver",
    "error*driver image path",
    "invalid image path",
    "failed to apply transformation*image",
    'no matches for kind "nvidiadriver"',
    'no matches for kind "clusterpolicy"',
    "error validating clusterpolicy",
    "clusterpolicy*unknown field",
    'strict decoding error: unknown field "spec',
)


def _incomplete(case: Case) -> list[Evidence]:
    """Return operands of which the ClusterPolicy gives only a part of the image."""
    found = []
    parts = ["driver", "toolkit", "devicePlugin", "dcgmExporter", "gfd", "validator"]
    if case.setting("vgpuManager", "enabled") is True:
        parts.append("vgpuManager")
    for part in parts:
        given = {
            name: str(case.setting(part, name) or "") for name in ("repository", "image", "version")
        }
        lacking = [name for name, value in given.items() if not value]
        if 0 < len(lacking) < len(given) and (given["version"] or given["repository"]):
            found.append(Evidence("ClusterPolicy", f"spec.{part} lacks {', '.join(lacking)}"))
    return found


def _hit(case: Case) -> tuple[list[Evidence], bool]:
    """Return what shows that an image could not be put together, and whether it is proof."""
    bad = [t for t in case.troubles_of(*GPU_STACK) if t.state == "InvalidImageName"]
    evidence = [
        Evidence(f"status of Pod/{t.pod.metadata.name}, {t.container}", f"{t.state} {t.image}")
        for t in bad
    ]
    quotes = [q for q in find(case, _NO_IMAGE, (OPERATOR,)) if q.live]
    quotes += find(case, ("couldn't parse image reference", "invalidimagename"), None, ("event",))
    evidence += [quote.evidence for quote in quotes if quote.live]
    return evidence, bool(evidence)


_ASKS_FOR_PARTS = ("driver.version have to be specified", "driver.image and driver.version have")
"""How the GPU Operator asks for what it needs to find precompiled drivers."""


def _part(case: Case, says: str) -> Results:
    asked = [q for q in find(case, _ASKS_FOR_PARTS, (OPERATOR,)) if q.live]
    if asked:
        return (result(says, asked, at=0.93),)
    lacks = sorted(_incomplete(case), key=lambda e: "spec.driver" not in e.quote)
    evidence, sure = _hit(case)
    if not lacks or not case.unwell:
        return ()
    at = 0.95 if sure else 0.85 if not case.sets_of(DRIVER) or _driver_pulls(case) else 0.5
    told = tuple(evidence[:2])
    return (Result(Severity.ERROR, says, evidence=(*lacks[:1], *told), confidence=at),)


_REFUSED = (
    "clusterpolic*is invalid: spec*required value",
    "clusterpolic*is invalid: spec*unsupported value",
    "clusterpolic*unknown field",
)
"""How the API server refuses a ClusterPolicy that was written for another release of the CRD."""


def _versions(case: Case, says: str) -> Results:
    evidence, sure = _hit(case)
    if _incomplete(case):
        return ()
    refused = [q for q in find(case, _REFUSED, (OPERATOR, "client")) if q.live]
    refused += find(case, _REFUSED, None, ("client",))
    if refused:
        return (result(says, refused, at=0.9),)
    written = _written_for(case)
    if sure and case.policies:
        found = (*written, *evidence[:2])
        return (Result(Severity.ERROR, says, evidence=found, confidence=0.92),)
    if written and case.unwell:
        return (Result(Severity.ERROR, says, evidence=written, confidence=0.66),)
    return ()


def _written_for(case: Case) -> tuple[Evidence, ...]:
    """Return the release that the ClusterPolicy was written for, if not the operator's."""
    if not case.policies or not case.operator_version:
        return ()
    labels = case.policies[0]["metadata"].get("labels") or {}
    for name in ("helm.sh/chart", "app.kubernetes.io/version"):
        told = version(str(labels.get(name) or ""))
        if told and told[:2] != case.operator_version[:2]:
            shown_version = ".".join(map(str, case.operator_version))
            return (
                Evidence("labels of the ClusterPolicy", f"{name}: {labels[name]}"),
                Evidence("GPU Operator", f"version {shown_version}"),
            )
    return ()


TAG = cause(
    "OCG0830",
    "driver-image-tag-missing",
    FAMILY,
    "driver",
    title="the driver's image exists for the nodes' system",
    says="no driver image is published for this driver version and the node's operating system",
    means="The tag is put together from the driver's version and the system's name and release. "
    "NVIDIA publishes "
    "some combinations only.",
    remedy=(
        "oc get node {node} -o jsonpath='{.status.nodeInfo.osImage}'",
        "skopeo list-tags docker://nvcr.io/nvidia/driver | grep SYSTEM",
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"driver":{"repository":"nvcr.io/nvidia","image":"driver","version":"VERSION"}}}\''
        ),
    ),
    look=_tag,
)
PRECOMPILED = cause(
    "OCG0831",
    "precompiled-kernel-mismatch",
    FAMILY,
    "driver",
    title="precompiled drivers exist for the running kernels",
    says="precompiled drivers are on, but no precompiled image exists for the running kernel",
    means="A precompiled image is for exactly one kernel, whose name is part of its tag.",
    remedy=(
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"driver":{"usePrecompiled":false}}}\''
        ),
        "or build the image for this kernel and push it to your registry",
    ),
    look=any_of(_precompiled, said(*_NO_MODULES, by=(DRIVER,), sources=("log",), at=0.93)),
)
PART = cause(
    "OCG0832",
    "clusterpolicy-driver-image-incomplete",
    FAMILY,
    "driver",
    title="the ClusterPolicy gives images in full or not at all",
    says="the ClusterPolicy gives only a part of repository, image and version",
    means="Where one of the three is given, the operator puts the image together from them and no "
    "longer takes "
    "its own default, so all three are needed.",
    remedy=(
        "oc get clusterpolicy -o jsonpath='{.items[*].spec.driver}'",
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"driver":{"repository":"nvcr.io/nvidia","image":"driver","version":"VERSION"}}}\''
        ),
    ),
    look=_part,
)
VERSIONS = cause(
    "OCG0833",
    "clusterpolicy-version-mismatch",
    FAMILY,
    "driver",
    title="the ClusterPolicy is of the operator's release",
    says="the ClusterPolicy and the operator are of different releases, so image fields are not "
    "filled",
    means="Fields that this operator expects are missing in a ClusterPolicy written for another "
    "release, or the CRD "
    "was not updated (Helm does not), so that they were dropped.",
    remedy=(
        "oc get clusterpolicy -o yaml",
        "take the ClusterPolicy of the CSV's alm-examples and carry your changes over",
        "with Helm: apply the chart's CRDs, then helm upgrade --reset-values",
    ),
    look=_versions,
)
CAUSES = (PRECOMPILED, PART, VERSIONS, TAG)
