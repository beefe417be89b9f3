"""What the shared options say, as one value."""

from dataclasses import dataclass
from typing import Literal

Output = Literal["text", "json", "yaml"]
Color = Literal["auto", "always", "never"]


@dataclass
class Settings:
    """What the shared options say; the same names as the options.

    Attributes:
        context: Context of the kubeconfig; None for the current one.
        kubeconfig: File to use alone; None reads KUBECONFIG, then ~/.kube/config.
        namespace: Namespace where the command takes one.
        impersonate: User to act as.
        output: Form of what goes to stdout.
        color: When to use colour.
        verbose: How much more is told.
        timeout: Seconds; None for the command's own default.
        config: File with a GpuPlatform document, `-` for stdin.
        entitlement: The portal's download.
        taint: Taint for the GPU nodes, `key=value:Effect`.
        adopt: Take over objects of somebody else whose names are needed.
        force_conflicts: Take fields that other managers own, remove what they have changed.
        evict_workloads: Evict pods that use GPUs.
        remove_finalizers: Take finalizers off objects of ours whose controller is gone.
        yes: Do not ask.
    """

    context: str | None = None
    kubeconfig: str | None = None
    namespace: str | None = None
    impersonate: str | None = None
    output: Output = "text"
    color: Color = "auto"
    verbose: int = 0
    timeout: float | None = None
    config: str | None = None
    entitlement: str | None = None
    taint: str | None = None
    adopt: bool = False
    force_conflicts: bool = False
    evict_workloads: bool = False
    remove_finalizers: bool = False
    yes: bool = False
