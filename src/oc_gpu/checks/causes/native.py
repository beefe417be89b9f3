"""Layer driver: the kernel's own driver, which holds the card."""

from oc_gpu.checks.case import Case
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.driver import EVERYWHERE, FAMILY
from oc_gpu.checks.components import DRIVER, SANDBOX
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import any_of, cause, find, result, said

_OWN = frozenset({"nouveau", "nova", "nova_core", "nova_drm", "novacore", "nvidiafb", "rivafb"})
"""Drivers of the kernel for NVIDIA cards, as lsmod and lspci call them: nova follows nouveau."""


def _nouveau(case: Case, says: str) -> Results:
    for name, modules in case.modules.items():
        own = sorted(_OWN & modules)
        if own and name in case.unwell_nodes:
            loaded = (Evidence(f"modules of Node/{name}", f"{own[0]} is loaded"),)
            told = {"node": name}
            return (
                Result(
                    Severity.ERROR,
                    says,
                    None,
                    (f"Node/{name}",),
                    loaded,
                    confidence=0.93,
                    about=told,
                ),
            )
    for node, devices in case.devices.items():
        held = [d for d in devices if _is_own(d.driver)]
        if held and (node in case.unwell_nodes or case.node(node) is None):
            evidence = (
                Evidence(f"lspci of Node/{node}", f"Kernel driver in use: {held[0].driver}"),
            )
            quotes = find(case, ("nouveau", "is already bound to n"), (DRIVER,), ("log", "kernel"))
            every = (*evidence, *(quote.evidence for quote in quotes[:1]))
            objects, told = (f"Node/{node}",), {"node": node}
            return (
                Result(Severity.ERROR, says, None, objects, every, confidence=0.95, about=told),
            )
    return ()


def _is_own(driver: str) -> bool:
    return driver.lower().replace("-", "_") in _OWN


def _nouveau_by_kernel(case: Case, says: str) -> Results:
    """Find nouveau in kernel messages, unless lspci shows who has the card now."""
    phrases = (
        "a driver such as*nouveau",
        "nouveau, rivafb",
        "nouveau 0000:",
        "nvidia probe routine was not called",
        "nvrm: gpu*is already bound to nova",
    )
    quotes = [
        q
        for q in find(case, phrases, None, ("kernel", "log"))
        if q.live and all(not d.driver or _is_own(d.driver) for d in case.devices.get(q.node, []))
    ]
    return (result(says, quotes, at=0.85),) if quotes else ()


NOUVEAU = cause(
    "OCG0825",
    "nouveau-loaded",
    FAMILY,
    "driver",
    title="the GPUs are free of the kernel's own driver",
    says="the kernel's own driver (nouveau, or nova after it) holds the GPU",
    means="Only one driver can have the card. On RHCOS nouveau is not loaded; other systems load "
    "it, or nova_core on new kernels, at boot.",
    remedy=(
        (
            "add the kernel arguments rd.driver.blacklist=nouveau,nova_core "
            "modprobe.blacklist=nouveau,nova_core (MachineConfig spec.kernelArguments; the node "
            "reboots)"
        ),
        "oc debug node/{node} -- chroot /host lsmod | grep -E 'nouveau|nova'",
    ),
    look=any_of(
        _nouveau,
        said(
            "nouveau is currently in use",
            "already bound to nouveau",
            "module nouveau is in use",
            "nouveau*is loaded",
            "nouveau kernel driver is currently in use",
            "rmmod: error: module nouveau",
            "failed to unload*nouveau",
            "could not unload nouveau",
            "unable to unload*nouveau",
            "nouveau driver is*loaded",
            "nouveau driver*in use",
            "conflicts with the nouveau",
            "disable*nouveau",
            "nouveau*refcount",
            "device not bound to 'vfio-pci'*driver: 'nouveau'",
            by=(DRIVER, SANDBOX, "kernel"),
            sources=EVERYWHERE,
            at=0.94,
        ),
        _nouveau_by_kernel,
    ),
)
CAUSES = (NOUVEAU,)
