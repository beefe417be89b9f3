"""Kernels and systems that the driver container was not made for, by what nodes report."""

import re

from oc_gpu.snapshot.kinds import Node

_KERNELS = re.compile(
    r"[.+-](rt\d*|64k|rt-64k|debug)\b|\.rt\d|\.fc\d\d|-rt\d|-cos\b|-flatcar|-talos|-arch\d|"
    r"\.amzn|-tegra|-azure-fde|\+debug|-bottlerocket|-k3os|-lowlatency|-fips\b|-xanmod|-liquorix|\.elrepo|uek",
    re.IGNORECASE,
)
_SYSTEMS = re.compile(
    r"fedora|flatcar|container-optimized|talos|bottlerocket|arch linux|k3os|gentoo|nixos|debian|"
    r"opensuse|amazon linux|cbl-mariner|azure linux|photon",
    re.IGNORECASE,
)


def is_odd(node: Node) -> bool:
    """Tell whether a node runs a kernel variant or system without a driver container of its own."""
    info = node.status.node_info
    return bool(_KERNELS.search(info.kernel_version) or _SYSTEMS.search(info.os_image))
