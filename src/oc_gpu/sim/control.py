"""Faults of a simulation that runs in another process, through its own server."""

import asyncio

import msgspec

from oc_gpu.kube import Client, ConnectOptions, InvalidError
from oc_gpu.sim import faults, instances
from oc_gpu.sim.api.faulting import PATH
from oc_gpu.sim.faults import every

__all__ = ["active", "add", "every", "remove"]


class _Told(msgspec.Struct, frozen=True):
    faults: tuple[str, ...]


def active(name: str) -> tuple[str, ...]:
    """Return the faults that a simulation has now.

    Raises:
        SimulationUsageError: It does not run.
    """
    return _ask(name, "GET", PATH)


def add(name: str, fault: str) -> tuple[str, ...]:
    """Give a running simulation a fault; return all that it then has.

    Raises:
        SimulationUsageError: It does not run, or the fault does not fit it.
        ScenarioError: There is no such fault.
    """
    return _ask(name, "PUT", f"{PATH}/{faults.find(fault).name}")


def remove(name: str, fault: str) -> tuple[str, ...]:
    """Take a fault from a running simulation; return those that it still has.

    Raises:
        SimulationUsageError: It does not run, or does not have the fault.
        ScenarioError: There is no such fault.
    """
    return _ask(name, "DELETE", f"{PATH}/{faults.find(fault).name}")


def _ask(name: str, method: str, path: str) -> tuple[str, ...]:
    options = ConnectOptions(kubeconfig=str(instances.kubeconfig(name)))

    async def asked() -> bytes:
        async with Client.connect(options) as client:
            return await client.read(path, method=method)

    try:
        return msgspec.json.decode(asyncio.run(asked()), type=_Told).faults
    except InvalidError as error:
        raise instances.SimulationUsageError(error.server_message) from error
