"""What lspci and lsmod list: NVIDIA's devices and the kernel's modules."""

import re
from collections.abc import Iterator

from msgspec import Struct

_DEVICE = re.compile(
    r"^(?P<slot>[0-9a-f]{2,}[:.][0-9a-f:.]+)\s+(?:[^\n]*?\[)?(?P<kind>[0-9a-f]{4})(?:\])?:"
    r"\s*[^\n]*?(?P<vendor>10de):(?P<device>[0-9a-f]{4})(?P<rest>[^\n]*(?:\n[ \t]+[^\n]*)*)",
    re.MULTILINE | re.IGNORECASE,
)
_MODULE = re.compile(r"(?m)^(\w+)\s+\d+\s+\d+\b")
_IN_USE = re.compile(r"Kernel driver in use: (\S+)")


class Device(Struct, frozen=True):
    """An NVIDIA device as lspci shows it; classes that begin with 03 are cards."""

    slot: str
    kind: str
    device: str
    driver: str


def devices(text: str) -> Iterator[Device]:
    """Yield the NVIDIA devices that lspci lists with their numbers.

    >>> [one.device for one in devices("3b:00.0 0302: 10de:1eb8 (rev a1)")]
    ['1eb8']
    """
    for match in _DEVICE.finditer(text):
        held = _IN_USE.search(match["rest"])
        driver = held[1] if held else ""
        yield Device(match["slot"].lower(), match["kind"], match["device"].lower(), driver)


def modules(text: str) -> Iterator[str]:
    """Yield the names of the kernel modules that lsmod, or /proc/modules, lists."""
    return (match[1] for match in _MODULE.finditer(text))
