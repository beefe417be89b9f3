"""Which program a container is, by a table, and what it then does."""

import re
from collections.abc import Callable

from msgspec import Struct

from oc_gpu.sim.hardware import driver, operands, packages, shell
from oc_gpu.sim.hardware.model import Outcome, View, failing
from oc_gpu.sim.hardware.script import Unknown

Behaviour = Callable[[View], Outcome]

CANNOT_RUN = 127
"""Exit code of a command that is not played: that of a shell which does not find one."""
_BARRIER = re.compile(r"until \[ -f (/run/nvidia/validations/[\w.-]+) \]")


class Program(Struct, frozen=True):
    """A row of the table: patterns for name, image and command, component, and the behaviour."""

    does: Behaviour
    container: str = ""
    image: str = ""
    command: str = ""
    component: str = ""

    def fits(self, view: View) -> bool:
        """Tell whether a container is this program."""
        return (
            re.search(self.container, view.container) is not None
            and re.search(self.image, view.image) is not None
            and re.search(self.command, view.command_line) is not None
            and (not self.component or view.env.get("COMPONENT") == self.component)
        )


def _wait_for_file(view: View) -> Outcome:
    path = _BARRIER.search(view.command_line)
    return operands.barrier(view, path[1]) if path else Outcome()


def _vector_add(view: View) -> Outcome:
    answer = shell.vector_add(view)
    seconds = view.scenario.latencies.cuda_sample
    return Outcome(log=tuple(answer.out.splitlines()), exit_code=answer.code, seconds=seconds)


PROGRAMS: tuple[Program, ...] = (
    Program(_wait_for_file, command=_BARRIER.pattern),
    Program(packages.search_kernel_devel, command=r"dnf\b.*\bsearch\b.*kernel-devel"),
    Program(driver.toolkit_builder, container=r"^openshift-driver-toolkit-ctr$"),
    Program(driver.uninstall, container=r"^k8s-driver-manager$"),
    Program(driver.toolkit_build, container=r"^nvidia-driver-ctr$", command=r"with-dtk"),
    Program(driver.entitled_build, container=r"^nvidia-driver-ctr$"),
    Program(operands.validate_driver, container=r"^driver-validation$", component="driver"),
    Program(operands.validate_toolkit, container=r"^toolkit-validation$", component="toolkit"),
    Program(operands.validate_nvidia_fs, component="nvidia-fs"),
    Program(operands.validate_cuda, container=r"^cuda-validation$", component="cuda"),
    Program(operands.validate_plugin, container=r"^plugin-validation$", component="plugin"),
    Program(_vector_add, container=r"^(cuda|plugin)-validation$"),
    Program(operands.validator, container=r"^nvidia-operator-validator$"),
    Program(
        operands.workload_validation,
        container=r"^nvidia-(cuda|device-plugin)-validator$",
    ),
    Program(operands.container_toolkit, container=r"^nvidia-container-toolkit-ctr$"),
    Program(operands.device_plugin, container=r"^nvidia-device-plugin(-ctr)?$"),
    Program(operands.feature_discovery, container=r"^gpu-feature-discovery$"),
    Program(operands.mig_manager, container=r"^nvidia-mig-manager$"),
    Program(operands.dcgm, container=r"^nvidia-dcgm-ctr$"),
    Program(operands.dcgm_exporter, container=r"^nvidia-dcgm-exporter$"),
    Program(_vector_add, image=r"vectoradd", command=r"^$"),
    Program(_vector_add, image=r"cuda-sample|cuda-vector-add", command=r"^$|^\S*vectorAdd$"),
)


def behave(view: View) -> Outcome:
    """Return what a container does, from its spec, the facts and the node's state."""
    for program in PROGRAMS:
        if program.fits(view):
            return program.does(view)
    serves = view.restart_policy == "Always" and not view.init
    try:
        if view.command:
            return shell.outcome(view, view.command)
    except Unknown as error:
        # Init containers of operators prepare what the simulator has prepared already.
        if not serves and not view.init:
            return failing(not_played(error), exit_code=CANNOT_RUN)
    return Outcome(exit_code=None if serves else 0)


def not_played(error: Unknown) -> str:
    """Return what stands in place of the output of a command that is not played."""
    return f"oc-gpu sim: containers are played, and what this one runs is not: {error}"
