"""Layer driver: why the module is not built."""

import re

from oc_gpu.checks.case import Case, key, offers_gpu, version
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.driver import failing
from oc_gpu.checks.causes.network import build_logs
from oc_gpu.checks.components import DRIVER, OTHER, WORKLOAD
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import Quote, cause, find, of_node, of_pod, result, shown
from oc_gpu.checks.systems import is_odd
from oc_gpu.checks.troubles import PULLING

_FAMILY = "driver-build"

_NO_VERSION = (
    "could not locate linux kernel version string",
    "extract-vmlinux: cannot find vmlinux",
    "cannot find vmlinux",
    "not in gzip format",
    "unable to find a match: kernel-rt",
    "unable to find a match: kernel-64k",
    "kernel-rt-devel",
    "kernel-64k",
    "kernel-core-*not found",
    "vmlinuz: no such file",
    "could not resolve linux kernel version",
    "unsupported kernel",
    "unsupported distribution",
    "unsupported operating system",
)
_NOT_FOR_IT = (
    "unable to find a match: kernel-headers",
    "unable to find a match: kernel-devel",
    "unable to find a match: kernel-modules",
    "no match for argument: kernel",
    "no package kernel",
    "no*driver found for kernel",
)
"""What is said where packages, or drivers, are those of the usual kernel."""
_COMPILER = (
    "gcc version check failed",
    "cc version check failed",
    "error: unrecognized command",
    "gcc: error: unrecognized",
    "version of gcc is too old",
    "compiler is too old",
    "incompatible gcc",
    "gcc_version",
    "mismatch*gcc",
    "gcc-*: not found",
    "gcc-*: command not found",
    "cannot find gcc",
    "compiler version check failed",
    "cc_version_check] error",
    "plugin was built*gcc",
    "ftrivial-auto-var-init",
    "does not match the compiler used here",
)
"""What a build says that its compiler stopped."""
_OTHER_COMPILER = (
    "the compiler used to build the kernel",
    "compiler differs from the one used to build",
    "not exactly match the compiler used",
    "ignoring cc version mismatch",
    "kernel was built with gcc*current compiler version",
)
"""What a build warns of and goes on, whether or not it fails later for another reason."""
_BY_HEADERS = (
    "error: implicit declaration of function",
    "error: too few arguments to function",
    "error: too many arguments to function",
    "has no member named",
    "error: conflicting types",
    "incompatible pointer type",
    "incompatible-pointer-types",
    "error: incompatible type",
    "error: passing argument",
    "gpl-incompatible module",
)
"""What a compiler says of sources that do not fit the kernel's headers, which it has read."""
_SOURCES = (
    *_BY_HEADERS,
    "error: unknown type name",
    "error: modpost",
    "modpost: ",
    "unable to build the nvidia kernel module",
    "error building nvidia",
    "error occurred while performing the step",
    "building kernel modules*error",
    "the nvidia kernel module*failed to build",
    "failed to build*kernel module",
    "kernel module build*failed",
    "error: the nvidia kernel module failed",
    "error: expected ",
    "error: static assertion failed",
    "error: assignment to",
    "error: initialization of",
    "error: invalid use of",
    "undeclared (first use in this function)",
    "bad exit status: make",
    "fatal error: linux/",
    "fatal error: asm/",
    "fatal error: drm/",
    "fatal error: generated/",
    "error: call to undeclared",
    "redefinition of",
    "undefined!",
    "version magic",
    "disagrees about version of symbol module_layout",
    "could not insert 'nvidia*exec format error",
)
"""What a compiler says of sources that do not fit the kernel's."""
_OF_ANOTHER = tuple(
    f"{module}: {words}"
    for module in ("nvidia", "nvidia_uvm", "nvidia_modeset")
    for words in ("version magic*should be", "disagrees about version of symbol")
)
"""What the kernel says of modules that were built for another kernel."""
_STOPPED = ("make*: *** [*] error ", "make*: *** [*error 1", "make*: *** [*error 2")
"""How make ends where what the compiler said is cut off."""
_CUT_OFF = ("make*: *** [*nvidia",)
_MAKE_ENDS = re.compile(r"(?i)\bmake(\[\d+\])?: \*\*\* \[[^\]]*nvidia")
"""How make ends where its own last line is cut off, too: stars stand before an error alone."""
_MODULE_REFUSED = "unable to load the kernel module 'nvidia"
"""What the installer says at the end of a module that it could build."""


def _variant(case: Case, says: str) -> Results:
    nodes = failing(case)
    for node in nodes:
        info = node.status.node_info
        if not is_odd(node):
            continue
        quotes = [
            q
            for q in find(case, _NO_VERSION, (DRIVER,), ("log",))
            if q.live and q.node == node.metadata.name
        ]
        where = f"status of Node/{node.metadata.name}"
        kernel = Evidence(where, f"kernel {info.kernel_version}, {info.os_image}")
        if quotes:
            return (result(says, quotes, at=0.93, more=(kernel,)),)
        asked = [q for q in find(case, _NOT_FOR_IT, (DRIVER,), ("log",)) if q.live]
        if asked:
            return (result(says, asked, at=0.86, more=(kernel,)),)
        if any(t.fails for t in case.troubles_of(DRIVER)):
            name, at = node.metadata.name, 0.46 if _told_otherwise(case) else 0.7
            objects, told = (f"Node/{name}",), {"node": name}
            return (
                Result(Severity.ERROR, says, None, objects, (kernel,), confidence=at, about=told),
            )
    quotes = [
        q
        for q in find(
            case,
            ("unsupported distribution", "unsupported kernel", "kernel variant"),
            (DRIVER,),
            ("log",),
        )
        if q.live
    ]
    return (result(says, quotes, at=0.88),) if quotes else ()


def _told_otherwise(case: Case) -> bool:
    """Tell whether the driver container's log is there: then it says itself what is wrong."""
    pulls = any(one.state in PULLING for one in case.troubles_of(DRIVER))
    return pulls or bool(build_logs(case))


_SINCE = ((6, 11), (6, 8), (6, 5), (5, 18), (5, 15))
_ABLE = ((560,), (550, 54), (535, 129), (515, 48), (470, 82))
"""Kernels, and the drivers whose first releases built against them (release notes)."""


def _too_new(case: Case, says: str) -> Results:
    if _told_otherwise(case) or not case.driver_version:
        return ()
    for node in failing(case):
        kernel = version(node.status.node_info.kernel_version)
        wanted = next((d for k, d in zip(_SINCE, _ABLE, strict=True) if kernel[:2] >= k), None)
        if wanted is None or case.driver_version >= wanted or case.on_openshift:
            continue
        name = node.metadata.name
        shown_driver = ".".join(map(str, case.driver_version))
        evidence = (
            Evidence(f"status of Node/{name}", f"kernel {node.status.node_info.kernel_version}"),
            Evidence("image of the driver", f"version {shown_driver}, which is older"),
        )
        objects, told = (f"Node/{name}",), {"node": name}
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=0.48, about=told),)
    return ()


def _compiler(case: Case, says: str) -> Results:
    quotes = _live(case, _COMPILER)
    if quotes:
        return (result(says, quotes, at=0.94),)
    warned = _live(case, _OTHER_COMPILER)
    if not warned:
        return _on_host(case) or _without_newer(case, says)
    older = _older(case)
    at = 0.87 if _live(case, _NOT_TAKEN) else 0.62 if older or _live(case, _STOPPED) else 0.4
    return (result(says, warned, at=at, more=older),)


_BY_GCC_12 = ((5, 19), (6, 8))
"""From and before which kernels Ubuntu 22.04 had them built by gcc 12, and its own gcc was 11."""
_BRING_GCC_12 = ((550, 54, 15), (535, 161, 8))
"""First drivers whose container has gcc 12 there (gpu-driver-container, pull request 20)."""


def _without_newer(case: Case, says: str) -> Results:
    """Guess where a driver says nothing that is older than its container's newer compiler."""
    if _told_otherwise(case) or not case.driver_version:
        return ()
    same = [able for able in _BRING_GCC_12 if able[0] == case.driver_version[0]]
    if case.driver_version >= (same or _BRING_GCC_12[:1])[0]:
        return ()
    for node in failing(case):
        info, name = node.status.node_info, node.metadata.name
        first, end = _BY_GCC_12
        if info.os_image.startswith("Ubuntu 22.04") and (
            first <= version(info.kernel_version)[:2] < end
        ):
            evidence = (
                Evidence(f"status of Node/{name}", f"kernel {info.kernel_version}, by gcc 12"),
                Evidence("image of the driver", "older than those with gcc 12"),
            )
            return (of_node(node, says, evidence, 0.49),)
    return ()


_NOT_TAKEN = ("unable to load the kernel module 'nvidia.ko'",)
"""What the installer says of a module that was built, by the compiler that it warned of."""
_BY_OTHER = "the compiler that built the module on the host does not fit the kernel's"
_HOST_LOGS = ("kernel", "journal")


def _on_host(case: Case) -> Results:
    """Find modules that were built on a host by another compiler, and that the kernel refused."""
    if all(map(offers_gpu, case.gpu_nodes)):
        return ()
    refused = {q.node: q for q in find(case, (_MODULE_REFUSED,), None, _HOST_LOGS)}
    warned = find(case, _OTHER_COMPILER, None, _HOST_LOGS) if refused else ()
    for quote in warned:
        node = case.node(quote.node)
        if node is not None and quote.node in refused and not offers_gpu(node):
            return (result(_BY_OTHER, [quote], at=0.72, more=(refused[quote.node].evidence,)),)
    return ()


_BUILT_BY = re.compile(r"kernel was built by:[^\n]*?(?:\)\s*|gcc[- ]|version )(\d+)\.\d+[^\n]*")
_BUILT_WITH = re.compile(r"You are using:[^\n]*?(?:\)\s*|gcc[- ]|version )(\d+)\.\d+[^\n]*")
"""What a kernel's build says of both compilers, the newest number last in each line."""


def _older(case: Case) -> tuple[Evidence, ...]:
    """Return both compilers where the one at hand is a major release older than the kernel's.

    Within a release a compiler knows the same options, and the build only warns.
    """
    for ref, pod, part in case.logs:
        if part != DRIVER or pod is None or key(pod) not in case.trouble:
            continue
        for text in case.snapshot.texts[ref]:
            by, used = _BUILT_BY.search(text.content), _BUILT_WITH.search(text.content)
            if by and used and int(used[1]) < int(by[1]):
                return (Evidence(ref.where, shown(by[0])), Evidence(ref.where, shown(used[0])))
    return ()


_OUR_SOURCE = re.compile(r"(?i)nvidia|/nv-\w+\.[ch]\b")
"""Signs that a line of a build is about the sources of this driver, whoever builds it."""


def _live(case: Case, phrases: tuple[str, ...]) -> list[Quote]:
    """Return what the driver container says, or whoever else builds its module on a node."""
    quotes = find(case, phrases, (DRIVER, OTHER, WORKLOAD), ("log", "client"))
    return [
        q
        for q in quotes
        if q.live
        and (q.pod is None or key(q.pod) in case.trouble)
        and (q.component not in (OTHER, WORKLOAD) or _OUR_SOURCE.search(q.evidence.quote))
    ]


def has_headers(case: Case) -> bool:
    """Tell whether the driver's build came as far as to read the headers of the kernel."""
    return bool(_live(case, _BY_HEADERS))


def _incompatible(case: Case, says: str) -> Results:
    if _live(case, _COMPILER):
        return ()
    quotes, stopped = _live(case, _SOURCES), _live(case, _STOPPED) or _cut_off(case)
    quotes += [q for q in find(case, _OF_ANOTHER, None, ("kernel",)) if q.live]
    if quotes:
        return (result(says, quotes, at=0.88),)
    if stopped:
        return (result(says, stopped, at=0.72),)
    return _broken_off(case, says) or _too_new(case, says)


def _cut_off(case: Case) -> list[Quote]:
    return [q for q in _live(case, _CUT_OFF) if _MAKE_ENDS.search(q.evidence.quote)]


_OF_COMPILER = re.compile(r"(?i)(nvidia|/nv-)\S*\.[ch]:\d+(:\d+)?: (warning|note): ")
"""A line of the compiler about the driver's sources."""


_RUNS = "not ready"
"""State of a container that runs, and so may still compile."""


def _broken_off(case: Case, says: str) -> Results:
    """Guess where a driver fails whose log ends while its sources are compiled."""
    failed = {key(one.pod): one for one in case.troubles_of(DRIVER, fails=True)}
    for ref in build_logs(case):
        one = failed.get((ref.namespace, ref.pod))
        texts = case.snapshot.texts[ref] if one is not None else ()
        last = texts[-1].content.rstrip().rpartition("\n")[2] if texts else ""
        if one is not None and one.state != _RUNS and _OF_COMPILER.search(last):
            return (of_pod(one.pod, says, (Evidence(ref.where, shown(last)),), 0.48),)
    return ()


COMPILER = cause(
    "OCG0840",
    "gcc-mismatch",
    _FAMILY,
    "driver",
    title="the driver container's compiler fits the kernel",
    says="the compiler in the driver container does not fit the one that built the kernel",
    means="The kernel was built by a newer gcc, with options that the container's gcc does not "
    "know, as with "
    "hardware-enablement kernels of Ubuntu.",
    remedy=(
        "oc get node {node} -o jsonpath='{.status.nodeInfo.kernelVersion}'",
        (
            "use a driver image whose system has the kernel's compiler, or the distribution's "
            "default "
            "kernel"
        ),
    ),
    look=_compiler,
)
VARIANT = cause(
    "OCG0841",
    "kernel-variant-unsupported",
    _FAMILY,
    "driver",
    title="the driver container handles the nodes' kernel variant",
    says="the driver container cannot handle this kernel variant or distribution",
    means="Real-time and 64k-page kernels and other distributions name and pack their kernels "
    "otherwise than the "
    "driver container expects.",
    remedy=(
        "oc get nodes -o custom-columns=NAME:.metadata.name,KERNEL:.status.nodeInfo.kernelVersion",
        (
            "use Driver Toolkit (operator.use_ocp_driver_toolkit: true) or the default kernel on "
            "GPU "
            "nodes"
        ),
        "or install the driver on the host and set driver.enabled=false",
    ),
    look=_variant,
)
INCOMPATIBLE = cause(
    "OCG0842",
    "driver-kernel-incompatible",
    _FAMILY,
    "driver",
    title="the driver's sources compile against the running kernel",
    says="the driver's sources do not compile against this kernel version",
    means="The kernel is newer than this driver release, or changed an interface in an update. A "
    "newer release of "
    "the same branch usually follows.",
    remedy=(
        "oc logs -n {namespace} {pod} -c {container} | grep -iE 'error|warning' | head -30",
        "set driver.version to a newer release of the branch, or go back to the earlier kernel",
    ),
    look=_incompatible,
)

CAUSES = (COMPILER, VARIANT, INCOMPATIBLE)
