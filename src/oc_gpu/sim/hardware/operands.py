"""The other operands of the GPU Operator: toolkit, device plugin, discovery, DCGM, validators."""

from oc_gpu.sim.hardware import smi
from oc_gpu.sim.hardware.features import Cards, discovery_labels
from oc_gpu.sim.hardware.images import loaded_release
from oc_gpu.sim.hardware.mig import MixedSizesError, offered
from oc_gpu.sim.hardware.model import (
    DEVICE_PLUGIN,
    DRIVER,
    TOOLKIT,
    VALIDATIONS,
    Change,
    Outcome,
    View,
    failing,
    running,
)
from oc_gpu.sim.hardware.smi_card import cards_of

_ALL = "*-ready"


def container_toolkit(view: View) -> Outcome:
    """Install the NVIDIA runtime into CRI-O."""
    return Outcome(
        log=(
            'level=info msg="Starting nvidia-toolkit"',
            "level=info msg=\"Installing NVIDIA container toolkit to '/usr/local/nvidia/toolkit'\"",
            'level=info msg="Setting up runtime"',
            'level=info msg="Waiting for signal"',
        ),
        seconds=view.scenario.latencies.toolkit,
        exit_code=None,
        waits=(DRIVER,),
        starts=Change(sets={TOOLKIT: "running"}),
        stops=Change(clears=(TOOLKIT,)),
    )


def device_plugin(view: View) -> Outcome:
    """Register the node's cards with the kubelet."""
    if view.driver is None:
        return failing(
            "Failed to initialize NVML: could not load NVML library.",
            "If this is a GPU node, did you set the docker default runtime to `nvidia`?",
            "Error: failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND",
        )
    strategy = view.env.get("MIG_STRATEGY", "none")
    try:
        resources = offered(view.scenario, view.node, view.layouts, strategy)
    except MixedSizesError as error:
        text = f"invalid MIG configuration for mig-strategy={strategy}: {error}"
        return failing("Loading NVML", "Retreiving plugins.", f"Error: {text}")
    return Outcome(
        alerts=tuple(
            f"XidCriticalError: Xid=79 on Device={view.uuid(d)}, the device will go unhealthy."
            for d in view.node.gpu_devices
            if d.lost
        ),
        log=(
            "Loading NVML",
            "Starting FS watcher.",
            "Retreiving plugins.",
            *(f"Starting GRPC server for '{name}'" for name in resources),
            *(f"Registered device plugin for '{name}' with Kubelet" for name in resources),
        ),
        seconds=view.scenario.latencies.device_plugin,
        exit_code=None,
        starts=Change(sets={DEVICE_PLUGIN: strategy}),
        stops=Change(clears=(DEVICE_PLUGIN,)),
    )


def mig_manager(view: View) -> Outcome:
    """Divide the node's cards as its label asks for."""
    if view.driver is None:
        return failing("Error: failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND")
    return Outcome(exit_code=None, divides=True)


def feature_discovery(view: View) -> Outcome:
    """Write the node's GPU labels for NFD."""
    if view.driver is None:
        return failing("Failed to initialize NVML: could not load NVML library.")
    cards = Cards(view.driver, view.layouts, view.env.get("MIG_STRATEGY", "none"))
    labels = discovery_labels(view.scenario, view.node, cards, stamp=int(view.now), extended=True)
    return running(
        "Starting OS watcher.",
        "Start running",
        "Writing labels to output file /etc/kubernetes/node-feature-discovery/features.d/gfd",
        f"Creating {len(labels)} labels for {len(view.node.gpu_devices)} device(s)",
        "Sleeping for 60000000000",
        seconds=view.scenario.latencies.feature_discovery,
    )


def dcgm(view: View) -> Outcome:
    """Serve the DCGM host engine."""
    if view.driver is None:
        return failing("Error: unable to initialize DCGM: library libnvidia-ml.so not found")
    return running("Started host engine version 4.4.1 using port number: 5555")


def dcgm_exporter(view: View) -> Outcome:
    """Serve metrics of the node's cards."""
    if view.driver is None:
        return failing('level=fatal msg="Error starting nv-hostengine: DCGM initialization error"')
    cards = cards_of(view, loaded_release(view.scenario, view.driver))
    return running(
        'level=info msg="Starting dcgm-exporter"',
        'level=info msg="DCGM successfully initialized!"',
        *(f'level=info msg="Monitoring GPU {c.index}: {c.name} ({c.uuid})"' for c in cards),
        'level=info msg="Starting webserver"',
    )


def validate_driver(view: View) -> Outcome:
    """Wait for the driver, show nvidia-smi, and write the barrier file."""
    return _validation(view, "driver", waits=(DRIVER,), table=True)


def validate_toolkit(view: View) -> Outcome:
    """Wait for the runtime, show nvidia-smi, and write the barrier file."""
    return _validation(view, "toolkit", waits=(DRIVER, TOOLKIT), table=True)


def validate_nvidia_fs(view: View) -> Outcome:
    """Write the barrier file of GPUDirect Storage."""
    return _validation(view, "nvidia-fs", waits=(DRIVER,), table=False)


def validate_cuda(view: View) -> Outcome:
    """Run a CUDA pod on this node and wait for it."""
    return _validation(
        view, "cuda", waits=(DRIVER, TOOLKIT), table=False, spawns="nvidia-cuda-validator"
    )


def validate_plugin(view: View) -> Outcome:
    """Wait for the extended resource, and run a pod that asks for it when told so."""
    wanted = view.env.get("WITH_WORKLOAD", "false") == "true"
    return _validation(
        view,
        "plugin",
        waits=(DRIVER, DEVICE_PLUGIN),
        table=False,
        spawns="nvidia-device-plugin-validator" if wanted else None,
    )


def validator(view: View) -> Outcome:
    """Rest after all validations; its end takes the barrier files away."""
    del view
    return Outcome(
        log=("all validations are successful",),
        exit_code=None,
        stops=Change(clears=(f"{VALIDATIONS}/{_ALL}",)),
    )


def workload_validation(view: View) -> Outcome:
    """Report that the CUDA work of the init container before it went well."""
    del view
    return Outcome(log=("cuda workload validation is successful",))


def barrier(view: View, path: str) -> Outcome:
    """Wait for a barrier file, as the shell loop of many init containers does."""
    del view
    words = "waiting for nvidia container stack to be setup"
    return Outcome(waiting_log=(words,), waits=(path,))


def _validation(
    view: View, component: str, *, waits: tuple[str, ...], table: bool, spawns: str | None = None
) -> Outcome:
    log = tuple(smi.run(view, []).out.splitlines()) if table and view.driver else ()
    return Outcome(
        waiting_log=(f"waiting for {component} to be ready, retrying after 5 seconds",),
        log=(*log, f"{component} is validated"),
        waits=waits,
        seconds=view.scenario.latencies.validation,
        starts=Change(sets={f"{VALIDATIONS}/{component}-ready": ""}),
        spawns=spawns,
    )
