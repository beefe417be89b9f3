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
