"""The shortest that a road can take on a simulated cluster, from the scenario's own latencies.

Each leg names what nobody can hurry: an image is pulled, a node reboots. Legs that can go on side
by side are compared and the longest counts. Reaction times of oc-gpu are in none of them.
"""

from msgspec import Struct

from oc_gpu.sim.scenario import Latencies, Scenario, load

_DRIVER_TOOLKIT = (4, 10)
"""OpenShift release from which drivers are built without an entitlement."""


class Leg(Struct, frozen=True):
    """One part of the way that cannot be shortened, in simulated seconds."""

    name: str
    seconds: float


def critical_path(scenario: Scenario) -> tuple[Leg, ...]:
    """Return the legs of the longest chain of a scenario, without a taint."""
    times = scenario.latencies
    before = [_features(times)]
    modern = scenario.openshift.minor >= _DRIVER_TOOLKIT
    if not modern:
        workers = sum(node.pool == "worker" for node in scenario.nodes)
        before.append(_entitlement(times, workers))
    longest = max(before, key=_seconds)
    operands = _operands(times) if modern else _first_operands(times)
    return (*longest, *operands, *(_divided(times) if modern and _divisible(scenario) else ()))


def seconds(name: str) -> float:
    """Return the simulated seconds of a built-in scenario's critical path."""
    return _seconds(critical_path(load(name)))


def _seconds(legs: tuple[Leg, ...]) -> float:
    return sum(leg.seconds for leg in legs)


def _pod(times: Latencies) -> float:
    return times.image_pull + times.container_start


def _features(times: Latencies) -> tuple[Leg, ...]:
    return (
        Leg("OLM installs the NFD operator", times.resolve + times.install_plan),
        Leg("the operator starts", _pod(times) + times.probe),
        Leg("nfd-worker starts", times.operator_reconcile + _pod(times)),
        Leg("nodes are labelled", times.nfd_scan),
    )


def _entitlement(times: Latencies, workers: int) -> tuple[Leg, ...]:
    proof = _pod(times) + times.dnf_search
    node = (
        times.config_pick_up
        + times.container_stop
        + times.drain
        + times.write_files
        + times.reboot
        + times.uncordon
    )
    return (
        Leg("the certificate is proven in one pod", proof),
        Leg("the configuration is rendered", times.render),
        Leg("workers drain and reboot, one after the other", workers * node),
        Leg("the certificate is proven on the nodes", proof),
    )


def _operands(times: Latencies) -> tuple[Leg, ...]:
    """Return the chain of the operands as init containers order them (GPU Operator 1.9 and on)."""
    return (
        Leg("the driver's pod is prepared", times.operator_reconcile + _pod(times) + times.probe),
        Leg("the driver is built", _pod(times) + times.driver_build + times.driver_load),
        Leg("the driver is validated", times.validation),
        Leg("the container toolkit is installed", _pod(times) + times.toolkit),
        Leg("the toolkit is validated", times.validation),
        Leg("the DCGM exporter is prepared and starts", 2 * _pod(times)),
    )


def _divisible(scenario: Scenario) -> bool:
    devices = (device for node in scenario.nodes for device in node.gpu_devices)
    return any(device.gpu is not None and device.gpu.mig_capable for device in devices)


def _divided(times: Latencies) -> tuple[Leg, ...]:
    """Return what follows once feature discovery has said that a card can be divided."""
    return (Leg("the MIG manager starts", _pod(times)),)


def _first_operands(times: Latencies) -> tuple[Leg, ...]:
    """Return the chain of the operands as the operator orders them (before 1.9): one by one."""
    return (
        Leg(
            "the driver is built",
            times.operator_reconcile + _pod(times) + times.driver_build + times.driver_load,
        ),
        Leg(
            "the container toolkit is installed",
            times.operator_reconcile + _pod(times) + times.toolkit,
        ),
        Leg("the driver is validated", _pod(times) + times.validation),
        Leg("the device plugin registers", _pod(times) + times.device_plugin),
        Leg("the device plugin is validated", times.container_start + times.validation),
        Leg("the DCGM exporter starts", _pod(times)),
        Leg(
            "feature discovery describes the card",
            times.operator_reconcile + _pod(times) + times.feature_discovery,
        ),
        Leg("NFD puts the description on the node", times.nfd_scan),
    )
