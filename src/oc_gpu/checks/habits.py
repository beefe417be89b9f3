"""A guess by habit: what most often ails a program, where nothing that was read says what does.

The order is that of public reports. Such a guess says so, and stays far below the confidence from
which a finding is a cause: it only tells a reader where to look first.
"""

import re
from collections.abc import Iterable

from oc_gpu.checks import components
from oc_gpu.checks.case import Case, key
from oc_gpu.checks.catalogue import Check, Result, found
from oc_gpu.checks.model import Evidence, Finding, Severity
from oc_gpu.checks.quotes import about
from oc_gpu.checks.troubles import CREATING, PULLING, Trouble

HABIT = 0.3
"""Confidence of a guess by habit."""

USUAL: tuple[tuple[str, str, str], ...] = (
    (components.DRIVER, "driver-manager", "driver-in-use-cannot-unload"),
    (components.DRIVER, "peermem", "peermem-ofed-mismatch"),
    (components.PLUGIN, "config-manager", "device-plugin-config-wrong"),
    (components.GFD, "config-manager", "device-plugin-config-wrong"),
    (components.PLUGIN, "mps", "device-plugin-config-wrong"),
    (components.PLUGIN, "", "runtime-not-injecting-driver"),
    (components.GFD, "", "runtime-not-injecting-driver"),
    (components.DCGM, "", "dcgm-profiling-failed"),
    (components.EXPORTER, "", "dcgm-profiling-failed"),
    (components.MIG, "", "mig-config-failed"),
    (components.VALIDATOR, "plugin-validation", "validator-no-free-gpu"),
    (components.VALIDATOR, "cuda", "cuda-init-error"),
    (components.VALIDATOR, "toolkit-validation", "runtime-not-injecting-driver"),
    (components.SANDBOX, "vgpu", "vgpu-config-failed"),
    (components.SANDBOX, "", "sandbox-validation-device-in-use"),
    (components.VFIO, "", "iommu-disabled"),
    (components.VGPU_MANAGER, "", "vgpu-wrong-package"),
    (components.VGPU_CONFIG, "", "vgpu-config-failed"),
    (components.NFD_OPERATOR, "", "nfd-operator-defect"),
)
"""Component, a pattern of its container, and the cause that is reported most often; first wins."""


def by_habit(case: Case, checks: Iterable[Check[Case]], one: Trouble) -> tuple[Finding, ...]:
    """Return what most often ails the program that fails first, nothing where that is not known.

    Args:
        case: The cluster.
        checks: The checks of causes, of which the guess takes explanation and remedy.
        one: The trouble that nothing explains.
    """
    usual = _usual(case, one) if one.fails and one.state not in PULLING else None
    check = next((check for check in checks if check.cause == usual), None)
    if check is None:
        return ()
    name, what = one.pod.metadata.name, one.container or "pod"
    title = f"perhaps {check.says}: nothing says so, but it is what most often ails {what}"
    evidence = Evidence(f"status of Pod/{name}, {what}", f"{one.state}, {one.restarts} restarts")
    told = about(one.pod, one.container)
    objects = (f"Pod/{name}",)
    guess = Result(Severity.ERROR, title, None, objects, (evidence,), confidence=HABIT, about=told)
    return (found(check, guess),)


def _usual(case: Case, one: Trouble) -> str | None:
    component = case.component[key(one.pod)]
    if one.state in CREATING:
        return "runtime-not-injecting-driver"
    if component == components.TOOLKIT and not one.init:
        return _of_toolkit(case, one)
    if component in (components.PLUGIN, components.GFD) and _is_configured(one):
        return "device-plugin-config-wrong"
    rows = ((pattern, cause) for part, pattern, cause in USUAL if part == component)
    return next((cause for pattern, cause in rows if re.search(pattern, one.container)), None)


def _is_configured(one: Trouble) -> bool:
    """Tell whether the container that fails reads a file of configuration, which may be wrong."""
    every = (c for c in one.pod.spec.every if c.name == one.container)
    return any(
        c.variable("CONFIG_FILE") or any(arg.startswith("--config-file") for arg in c.args)
        for c in every
    )


def _of_toolkit(case: Case, one: Trouble) -> str:
    """Return what most often stops the toolkit on a runtime: each is configured in another way."""
    node = case.node(one.pod.spec.node_name)
    runtime = node.status.node_info.container_runtime_version if node is not None else ""
    return "toolkit-wrong-containerd-config" if "containerd" in runtime else "toolkit-wrong-runtime"
