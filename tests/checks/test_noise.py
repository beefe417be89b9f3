"""What healthy machines and programs say every day changes no diagnosis."""

import pytest

from oc_gpu.checks.model import Severity
from tests.checks.ailments import AILMENTS, tried_entitlement
from tests.checks.patient import Patient

KERNEL = (
    "Spectre V2 : Spectre v2 / PBRSB-eIBRS: Retire a single CALL on VMEXIT",
    "pci 0000:3a:00.0: BAR 14: no space for [mem size 0x00100000]",
    "pci 0000:3a:00.0: BAR 14: failed to assign [mem size 0x00100000]",
    "pci 0000:00:1f.4: BAR 13: can't assign io (size 0x20)",
    'audit: type=1400 avc:  denied  { read } for pid=1 comm="systemd" scontext=init_t',
    "nvidia: module verification failed: signature and/or required key missing - tainting kernel",
)
SAID = {
    "driver": (
        "it will not remove existing NVIDIA kernel modules not part of an earlier installation.",
        "Unloading NVIDIA driver kernel modules...",
        "Generating Linux kernel version string...",
        "warning: the compiler differs from the one used to build the kernel",
        "  CONFTEST: hash__remap_4k_pfn",
    ),
    "toolkit": ("Sending SIGHUP signal to containerd", "Successfully signaled containerd"),
    "operator": ("the object has been modified; please apply your changes to the latest version",),
    "nfd-worker": ("failed to read net iface attribute speed: invalid argument",),
    "exporter": ("Not collecting DCP metrics: Profiling is off",),
    "mcd": ("Shutting down Config Drift Monitor", "Validated on-disk state"),
}
"""Lines that are in the logs of clusters where all is well."""
MANAGER = ("Unloading nouveau driver...", "Successfully unloaded nouveau driver")


def _noisy(made: Patient) -> Patient:
    """Return a cluster with these lines, where a part has no log of its own yet."""
    talks = {ref.pod for ref in made.texts if ref.kind == "log"}
    for part, lines in SAID.items():
        pods = {p["metadata"]["name"] for p in made.tables["pods"]}
        here = {name for name in pods if name.startswith(_prefix(part))}
        if here and not here & talks:
            made.log(part, *lines)
    if not any(ref.name == "dmesg" for ref in made.texts):
        made.dmesg(*KERNEL)
    return made


def _prefix(part: str) -> str:
    prefixes = {"mcd": "machine-config-daemon", "operator": "gpu-operator"}
    names = {"driver": "nvidia-driver", "toolkit": "nvidia-container-toolkit"}
    return {**prefixes, **names, "exporter": "nvidia-dcgm-exporter"}.get(part, part)


SPOKEN = [
    (slug, number)
    for slug, makers in AILMENTS.items()
    for number in range(len(makers))
    if slug not in ("driver-not-ready-generic", "toolkit-restarts-runtime", "gcc-mismatch")
]


@pytest.mark.parametrize(("slug", "number"), SPOKEN)
def test_the_usual_noise_changes_no_diagnosis(slug: str, number: int) -> None:
    assert _noisy(AILMENTS[slug][number]()).diagnosis()[0].cause == slug


def test_the_usual_noise_is_no_error_in_a_healthy_cluster() -> None:
    for openshift in (True, False):
        found = tried_entitlement(_noisy(Patient(openshift=openshift))).diagnosis()
        assert [one for one in found if one.severity is Severity.ERROR] == []


def test_what_the_manager_did_to_nouveau_is_not_what_stops_the_driver() -> None:
    made = Patient().fails("driver").log("driver", *MANAGER, container="k8s-driver-manager")
    made.log("driver", "Required key not available")
    assert made.diagnosis()[0].cause == "secure-boot-enabled"
