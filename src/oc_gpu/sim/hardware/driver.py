"""The driver container: builds and loads the kernel module, or says what stands in the way."""

from oc_gpu.sim.hardware.images import driver_in, facts_of
from oc_gpu.sim.hardware.model import (
    DRIVER,
    LICENCE,
    LICENSED,
    VALIDATIONS,
    Change,
    Outcome,
    View,
    failing,
)
from oc_gpu.sim.hardware.packages import kernel_devel_problem
from oc_gpu.sim.hardware.releases import Release
from oc_gpu.sim.machine_facts import Gpu

_READY_FILE = f"{VALIDATIONS}/.driver-ctr-ready"
_TOOLKIT_CONTAINER = "openshift-driver-toolkit-ctr"


def entitled_build(view: View) -> Outcome:
    """Build the driver from kernel-devel packages of the entitlement server, and load it."""
    release = driver_in(view.scenario, view.image)
    head = _head(view, release)
    trouble = _in_use(view) or kernel_devel_problem(view)
    if trouble:
        seconds = view.scenario.latencies.dnf_search
        return Outcome(log=head, ending=trouble, seconds=seconds, exit_code=1)
    built = (
        "Resolving Linux kernel version...",
        f"Proceeding with Linux kernel version {view.node.kernel}",
        "Installing Linux kernel headers...",
        "Installing Linux kernel module files...",
        "Generating Linux kernel version string...",
        "Compiling NVIDIA driver kernel modules...",
        "Relinking NVIDIA driver kernel modules...",
        f"Building NVIDIA driver package nvidia-modules-{view.node.kernel}...",
    )
    return _load(view, release, (*head, *built))


def toolkit_build(view: View) -> Outcome:
    """Build the driver in the Driver Toolkit container beside this one, and load it."""
    release = driver_in(view.scenario, view.image)
    head = _head(view, release)
    trouble = _in_use(view) or _toolkit_problem(view)
    if trouble:
        return failing(*head, *trouble)
    built = (
        "Driver Toolkit container is there, waiting for it to build the modules",
        f"DRIVER_TOOLKIT: modules for Linux kernel {view.node.kernel} are built",
    )
    return _load(view, release, (*head, *built))


def toolkit_builder(view: View) -> Outcome:
    """Act as the Driver Toolkit container: compile for its sibling, then sleep."""
    kernel = _toolkit_kernel(view) or view.node.kernel
    log = (
        "Waiting for nvidia-driver-ctr container to prepare the shared directory ...",
        f"Building NVIDIA driver modules for Linux kernel {kernel}",
        "Driver build is done, sleeping forever ...",
    )
    return Outcome(log=log, exit_code=None)


def uninstall(view: View) -> Outcome:
    """Act as k8s-driver-manager before the driver container: clean up what is left."""
    if view.node.host_driver:
        text = "NVIDIA GPU driver is already pre-installed on the node"
        return failing(
            f"Host driver detected: {view.node.host_driver}",
            f"{text}, disabling the containerized driver",
        )
    state = "loaded" if view.driver else "not loaded"
    log = (f"NVIDIA driver module is {state}", f"Uncordoning node {view.node.name}...")
    return Outcome(log=log, seconds=view.scenario.latencies.probe)


def _head(view: View, release: Release) -> tuple[str, ...]:
    return (
        "========== NVIDIA Software Installer ==========",
        "",
        (
            f"Starting installation of NVIDIA driver version {release.version} "
            f"for Linux kernel version {view.node.kernel}"
        ),
        "",
        "Stopping NVIDIA persistence daemon...",
        "Unloading NVIDIA driver kernel modules...",
        "Unmounting NVIDIA driver rootfs...",
    )


def _in_use(view: View) -> tuple[str, ...]:
    """Tell whether a driver of the host holds the card."""
    if not view.node.host_driver:
        return ()
    return ("Could not unload NVIDIA driver kernel modules, driver is in use",)


def _toolkit_kernel(view: View) -> str | None:
    tags = view.scenario.openshift.driver_toolkit
    ours = view.node.os_release.get("OSTREE_VERSION")
    image = view.siblings.get(_TOOLKIT_CONTAINER, view.image)
    tag = next((t for t in tags if t.image == image), None)
    tag = tag or next((t for t in tags if t.ostree_version == ours), None)
    return tag.kernel if tag else None


def _toolkit_problem(view: View) -> tuple[str, ...]:
    if _TOOLKIT_CONTAINER not in view.siblings:
        return ("Driver Toolkit container is missing, cannot build",)
    kernel = _toolkit_kernel(view)
    if kernel == view.node.kernel:
        return ()
    return (
        f"make: *** /lib/modules/{view.node.kernel}/build: No such file or directory.  Stop.",
        f"Driver Toolkit is for kernel {kernel}, the node runs {view.node.kernel}",
    )


def _load(view: View, release: Release, log: tuple[str, ...]) -> Outcome:
    latencies = view.scenario.latencies
    loading = (*log, "Loading NVIDIA driver kernel modules...", "+ modprobe nvidia")
    trouble = load_problem(view, release)
    if trouble:
        return Outcome(log=loading, ending=trouble, seconds=latencies.driver_build, exit_code=1)
    licence, words = _licensed(view)
    done = (
        "+ modprobe nvidia-uvm",
        "+ modprobe nvidia-modeset",
        "Starting NVIDIA persistence daemon...",
        *words,
        "Mounting NVIDIA driver rootfs...",
        "Done, now waiting for signal",
    )
    return Outcome(
        log=(*loading, *done),
        seconds=latencies.driver_build + latencies.driver_load,
        exit_code=None,
        starts=Change(sets={DRIVER: release.version, _READY_FILE: "", **licence}),
        stops=Change(clears=(DRIVER, _READY_FILE, LICENCE)),
    )


_TOKEN = "/drivers/ClientConfigToken/client_configuration_token.tok"  # noqa: S105  # a path
_TOKEN_PARTS = 3


def _licensed(view: View) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return what the licence system gives a virtual GPU, and what its client prints of it."""
    if not any(d.gpu and d.gpu.vgpu for d in view.node.gpu_devices):
        return {}, ()
    words = ("Copying gridd.conf...", "Starting NVIDIA gridd daemon...")
    token = view.files.get(_TOKEN, b"").strip()
    if len(token.split(b".")) == _TOKEN_PARTS and view.scenario.licensing.reachable:
        return {LICENCE: LICENSED}, words
    return {LICENCE: str(view.now)}, words


def _not_for_guests(view: View, release: Release) -> tuple[str, ...]:
    """Return what the kernel says when a driver for whole cards meets virtual ones."""
    facts = facts_of(view.scenario, view.image)
    virtual = [d for d in view.node.gpu_devices if d.gpu and d.gpu.vgpu]
    if not virtual or (facts and facts.guest):
        return ()
    return (
        *(
            f"NVRM: The NVIDIA GPU {d.address} (PCI ID: {d.vendor}:{d.device}) installed in this "
            f"system is not supported by the NVIDIA {release.version} driver release."
            for d in virtual
        ),
        "modprobe: ERROR: could not insert 'nvidia': No such device",
    )


def _too_old(gpu: Gpu, release: Release) -> str:
    """Return what the driver says of a card that only an older branch drives."""
    last = release.last_branch(gpu.architecture)
    return (
        f"NVRM: The {gpu.product} GPU installed in this system is supported through the NVIDIA "
        f"{last}.xx Legacy drivers. The {release.version} NVIDIA driver will ignore this GPU."
    )


def load_problem(view: View, release: Release) -> tuple[str, ...]:
    """Return what modprobe and the kernel print when the module cannot be used; empty if it can."""
    if view.node.secure_boot:
        return (
            "modprobe: ERROR: could not insert 'nvidia': Required key not available",
            "nvidia: module verification failed: not signed by a key that is trusted by the kernel",
        )
    if view.node.nouveau:
        return (
            "NVRM: GPU is already bound to nouveau.",
            "modprobe: ERROR: could not insert 'nvidia': No such device",
        )
    if view.node.gpu_devices and not view.node.working_gpus:
        return (
            *(
                f"NVRM: The NVIDIA GPU {d.address} (PCI ID: {d.vendor}:{d.device}) installed in "
                "this system has fallen off the bus and is not responding to commands."
                for d in view.node.gpu_devices
            ),
            "modprobe: ERROR: could not insert 'nvidia': No such device",
        )
    if strange := _not_for_guests(view, release):
        return strange
    gpus = [(d, d.gpu) for d in view.node.gpu_devices if d.gpu]
    if any(release.drives(g.architecture) for _, g in gpus):
        return ()
    return (
        *(_too_old(d.gpu, release) for d, g in gpus if d.gpu and release.dropped(g.architecture)),
        *(
            f"NVRM: The NVIDIA GPU {d.address} (PCI ID: {d.vendor}:{d.device}) installed in this "
            f"system is not supported by the NVIDIA {release.version} driver release."
            for d, _ in gpus
        ),
        "modprobe: ERROR: could not insert 'nvidia': No such device",
    )
