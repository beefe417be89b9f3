"""Layer driver: hosts that should bring the driver, or the toolkit, and do not."""

from oc_gpu.checks.case import Case
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.components import (
    DRIVER,
    GFD,
    ON_NODE,
    PLUGIN,
    SANDBOX,
    TOOLKIT,
    VALIDATOR,
    VFIO,
)
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import about, any_of, cause, find, of_pod, result, shown
from oc_gpu.checks.troubles import CREATING, PULLING


def _no_driver(case: Case, says: str) -> Results:
    if case.setting("driver", "enabled") is not False:
        return _bare_host(case, says)
    down = [t for t in case.troubles_of(*ON_NODE) if t.container == "driver-validation"]
    down = down or case.troubles_of(*ON_NODE)
    for one in down:
        name = one.pod.spec.node_name
        devices = case.cards(name)
        if _held(case, name):
            continue
        evidence = [Evidence("ClusterPolicy", "spec.driver.enabled: false")]
        if devices:
            evidence.append(Evidence(f"lspci of Node/{name}", "no kernel driver in use"))
        state = f"{one.container or 'pod'} {one.state}"
        evidence.append(Evidence(f"status of Pod/{one.pod.metadata.name}", state))
        objects = (f"Node/{name}",)
        told = about(one.pod, one.container)
        at = 0.92 if devices or one.container == "driver-validation" else 0.6
        return (
            Result(Severity.ERROR, says, None, objects, tuple(evidence), confidence=at, about=told),
        )
    half = [q for q in find(case, (_HALF,), (VALIDATOR, TOOLKIT), ("log",)) if q.live]
    return (result(says, half, at=0.6),) if half else ()


def _held(case: Case, name: str) -> Evidence | None:
    """Return by what the driver is seen to work on a host, None where nothing shows it."""
    if any(card.driver == "nvidia" for card in case.cards(name)):
        return Evidence(f"lspci of Node/{name}", "Kernel driver in use: nvidia")
    for ref, texts in case.texts_of_nodes("nvidia-bug-report"):
        line = next((line for text in texts for line in text.find(_TABLE)), None)
        if ref.node == name and line is not None:
            return Evidence(f"{ref.where}:{line.number}", shown(line.text))
    return None


_TABLE = ("nvidia-smi", "driver version:")
"""The head of the table of nvidia-smi, which it shows where the driver answers."""
_HALF = "failed to load module nvidia-uvm"
"""What a validation says of a host whose driver lacks the module that CUDA wants."""


def _bare_host(case: Case, says: str) -> Results:
    """Find hosts without driver where nothing is there that would bring one."""
    if case.managed or case.pods_of(DRIVER):
        return ()
    phrases = (
        "nvml error: driver not loaded",
        "driver not loaded",
        "load library failed: libnvidia-ml",
        "couldn't communicate with the nvidia driver",
        "driver rpc error",
        "failed to initialize nvml: driver not loaded",
    )
    quotes = [q for q in find(case, phrases, None, ("log", "event", "state")) if q.live]
    for quote in quotes:
        devices = case.cards(quote.node)
        if not any(d.driver == "nvidia" for d in devices):
            return (result(says, [quote], at=0.86),)
    return _unbound(case, says)


def _unbound(case: Case, says: str) -> Results:
    """Find plugins that fail beside a card which no kernel driver holds."""
    for one in case.troubles_of(PLUGIN, GFD, fails=True):
        name = one.pod.spec.node_name
        cards = case.cards(name)
        if cards and not any(d.driver for d in cards) and one.state not in PULLING:
            evidence = (
                Evidence(f"lspci of Node/{name}", "no kernel driver in use"),
                Evidence(f"status of Pod/{one.pod.metadata.name}", one.state),
            )
            return (of_pod(one.pod, says, evidence, 0.6, one.container),)
    return ()


_AFTER_MARKERS = ("cuda-validation", "plugin-validation")
"""Steps of the validation that begin when the markers of driver and toolkit are there."""


_LOOKED = (
    "toolkit is not ready",
    "error validating toolkit installation",
    "failed to load nvidia kernel modules",
    _HALF,
)
"""What a validation says that looked and failed: its marker is missing for what it says."""


_NO_LINKS = ("failed to create symlinks under /dev/char",)
"""What the validation of a host's driver says at the end where it finds no modules to load."""


def _unlinked(case: Case, says: str) -> Results:
    quotes = [q for q in find(case, _NO_LINKS, (VALIDATOR, TOOLKIT), ("log",)) if q.live]
    half = find(case, (_HALF,), (VALIDATOR, TOOLKIT), ("log",))
    return (result(says, quotes, at=0.85),) if quotes and not half else ()


def _markers(case: Case, says: str) -> Results:
    if case.setting("driver", "enabled") is not False:
        return ()
    stuck = [
        t
        for t in case.troubles_of(*(ON_NODE - {SANDBOX, VFIO}))
        if t.container.endswith("-validation") and not t.container.startswith("vgpu-")
    ]
    beyond = {t.pod.spec.node_name for t in stuck if t.container in _AFTER_MARKERS}
    writers = case.troubles_of(VALIDATOR, TOOLKIT)
    beyond |= {t.pod.spec.node_name for t in writers if t.state in PULLING}
    beyond |= {t.pod.spec.node_name for t in case.troubles_of(*ON_NODE) if t.state in CREATING}
    toolkits = case.troubles_of(TOOLKIT, fails=True)
    beyond |= {t.pod.spec.node_name for t in toolkits if not t.init}
    beyond |= {q.node for q in find(case, _LOOKED, (VALIDATOR, TOOLKIT), ("log",)) if q.live}
    for one in stuck:
        name = one.pod.spec.node_name
        if name in beyond:
            continue
        held = _held(case, name)
        if held is None:
            continue
        no_toolkit = case.setting("toolkit", "enabled") is False
        evidence = [
            Evidence("ClusterPolicy", "spec.driver.enabled: false"),
            held,
            Evidence(f"status of Pod/{one.pod.metadata.name}", f"{one.container} {one.state}"),
        ]
        if no_toolkit:
            evidence.insert(1, Evidence("ClusterPolicy", "spec.toolkit.enabled: false"))
        at = 0.9 if no_toolkit else 0.8
        objects = (f"Pod/{one.pod.metadata.name}", f"Node/{name}")
        told = about(one.pod, one.container)
        return (
            Result(
                Severity.ERROR, says, None, objects, tuple(evidence[:3]), confidence=at, about=told
            ),
        )
    return ()


NO_DRIVER = cause(
    "OCG0851",
    "driver-disabled-no-host-driver",
    "host-driver",
    "driver",
    title="where the operator's driver is off, the host has one",
    says="the operator's driver is disabled, and the host has no working driver",
    means="With driver.enabled=false the operator expects nvidia-smi to work on the host.",
    remedy=(
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"driver":{"enabled":true}}}\''
        ),
        "or install the driver on {node}",
    ),
    look=_no_driver,
)
MARKERS = cause(
    "OCG0852",
    "validation-markers-missing",
    "host-driver",
    "driver",
    title="somebody writes the validation markers",
    says="driver and toolkit come from the host at a place that the validator does not know, so "
    "nobody writes "
    "the validation marker files",
    means="Operands wait for files in /run/nvidia/validations that the validator writes when it "
    "has found driver "
    "and toolkit where it looks for them.",
    remedy=(
        "oc debug node/{node} -- chroot /host ls /run/nvidia/validations",
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"hostPaths":{"driverInstallDir":"/PATH/OF/THE/DRIVER"}}}\'   # 24.6+'
        ),
        "set DISABLE_DEV_CHAR_SYMLINK_CREATION=true in validator.driver.env, where its links fail",
    ),
    look=any_of(_unlinked, _markers),
)
CAUSES = (NO_DRIVER, MARKERS)
