"""Values that the shell can offer: contexts, scenarios, simulated clusters."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click


def contexts(ctx: "click.Context", param: "click.Parameter", incomplete: str) -> list[str]:
    """Return the contexts of the kubeconfig; none when it cannot be read."""
    del param
    from oc_gpu.kube import OcGpuError, kubeconfig  # noqa: PLC0415  (only completion pays)

    chosen = getattr(ctx.obj, "kubeconfig", None)
    try:
        config = kubeconfig.load(chosen, os.environ)
    except OcGpuError:
        return []
    return sorted(name for name in config.contexts if name.startswith(incomplete))


def scenarios(ctx: "click.Context", param: "click.Parameter", incomplete: str) -> list[str]:
    """Return the built-in scenarios."""
    del ctx, param
    from oc_gpu.sim.scenario import names  # noqa: PLC0415  (only completion pays)

    return [name for name in names() if name.startswith(incomplete)]


def faults(ctx: "click.Context", param: "click.Parameter", incomplete: str) -> list[str]:
    """Return the faults that a simulated cluster can have."""
    del ctx, param
    from oc_gpu.sim.faults import every  # noqa: PLC0415  (only completion pays)

    return [fault.name for fault in every() if fault.name.startswith(incomplete)]


def simulations(ctx: "click.Context", param: "click.Parameter", incomplete: str) -> list[str]:
    """Return the names of the simulated clusters that run."""
    del ctx, param
    from oc_gpu.sim.instances import running  # noqa: PLC0415  (only completion pays)

    return [one.name for one in running() if one.name.startswith(incomplete)]
