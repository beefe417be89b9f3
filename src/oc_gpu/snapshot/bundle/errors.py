"""What can be wrong with a bundle as a whole."""

from oc_gpu.kube.errors import OcGpuError

EXPECTED = (
    "give a folder or an archive made by `oc adm must-gather`, `oc adm inspect`, "
    "the GPU Operator's must-gather.sh or `oc-gpu gather`"
)


class BundleError(OcGpuError):
    """A bundle cannot be read at all; what is wrong with parts of it is told as a note."""

    exit_code = 3
