"""What is known of the GPU: from PyTorch, and from NVIDIA's management library."""

from __future__ import annotations

import contextlib
import ctypes
from typing import Any


class Nvml:
    """What NVIDIA's management library tells of one GPU; each answer may be None.

    Function names and units: nvml.h of the driver. Energy is counted in millijoules since the
    driver was loaded, from Volta on.
    """

    def __init__(self, uuid: str) -> None:
        self.device = ctypes.c_void_p()
        self.library: Any = None
        with contextlib.suppress(OSError):
            library = ctypes.CDLL("libnvidia-ml.so.1")
            if library.nvmlInit_v2() == 0:
                names = (f"{prefix}-{uuid}".encode() for prefix in ("GPU", "MIG"))
                find = library.nvmlDeviceGetHandleByUUID
                if any(find(name, ctypes.byref(self.device)) == 0 for name in names):
                    self.library = library

    def number(self, function: str, *more: int, of: Any = ctypes.c_uint) -> int | None:
        """Return the number that a function writes last, None when there is none."""
        value = of()
        if self.library is None:
            return None
        ask = getattr(self.library, f"nvmlDeviceGet{function}", None)  # an old driver has fewer
        failed = ask is None or ask(self.device, *more, ctypes.byref(value))
        return None if failed else int(value.value)

    def mode(self, function: str) -> bool | None:
        """Return whether a mode that has a current and a pending state is on."""
        now, pending = ctypes.c_uint(), ctypes.c_uint()
        if self.library is None:
            return None
        ask = getattr(self.library, f"nvmlDeviceGet{function}", None)
        failed = ask is None or ask(self.device, ctypes.byref(now), ctypes.byref(pending))
        return None if failed else bool(now.value)

    def driver(self) -> str:
        """Return the version of the driver, empty when it is not known."""
        text = ctypes.create_string_buffer(80)
        if self.library is None or self.library.nvmlSystemGetDriverVersion(text, len(text)):
            return ""
        return text.value.decode()

    def joules(self) -> float | None:
        """Return the energy used since the driver was loaded."""
        found = self.number("TotalEnergyConsumption", of=ctypes.c_ulonglong)
        return None if found is None else found / 1000

    def facts(self) -> dict[str, Any]:
        """Return the settings that decide how fast the card may run."""
        limit, usual = (
            self.number(name) for name in ("EnforcedPowerLimit", "PowerManagementDefaultLimit")
        )
        return {
            "driver": self.driver(),
            "powerLimitWatts": None if limit is None else limit / 1000,
            "defaultPowerLimitWatts": None if usual is None else usual / 1000,
            "smClockMaxMhz": self.number("MaxClockInfo", 1),
            "memoryClockMhz": self.number("ClockInfo", 2),
            "ecc": self.mode("EccMode"),
            "mig": self.mode("MigMode"),
            "pcieGeneration": self.number("CurrPcieLinkGeneration"),
            "pcieWidth": self.number("CurrPcieLinkWidth"),
        }


def gpu_facts() -> tuple[dict[str, Any], Nvml]:
    """Return what the first card is and how fast it may run, and who tells more of it."""
    import torch

    card = torch.cuda.get_device_properties(0)
    uuid = str(getattr(card, "uuid", ""))
    nvml = Nvml(uuid)
    facts = {
        "gpu": card.name,
        "uuid": uuid,
        "memoryBytes": card.total_memory,
        "multiprocessors": card.multi_processor_count,
        "computeCapability": f"{card.major}.{card.minor}",
        "cuda": torch.version.cuda or "",
        "cudnn": str(torch.backends.cudnn.version() or ""),
    }
    return facts | nvml.facts(), nvml
