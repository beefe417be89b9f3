"""Generation of a card by its PCI device id (the PCI ID database groups them by chip)."""

ORDER = ("kepler", "maxwell", "pascal", "volta", "turing", "ampere", "hopper", "ada", "blackwell")
"""Generations, oldest first."""

_RANGES: tuple[tuple[int, int, str], ...] = (
    (0x0FC0, 0x12FF, "kepler"),
    (0x1340, 0x143F, "maxwell"),
    (0x1600, 0x17FF, "maxwell"),
    (0x15F0, 0x15FF, "pascal"),
    (0x1D80, 0x1DFF, "volta"),
    (0x1B00, 0x1D7F, "pascal"),
    (0x1E00, 0x1FFF, "turing"),
    (0x2180, 0x21FF, "turing"),
    (0x2080, 0x20FF, "ampere"),
    (0x2320, 0x234F, "hopper"),
    (0x2200, 0x25FF, "ampere"),
    (0x2600, 0x28FF, "ada"),
    (0x2900, 0x2FFF, "blackwell"),
    (0x3180, 0x31FF, "blackwell"),
)


def generation(device: str) -> str:
    """Return the generation of a device id, empty when it is not known.

    >>> generation("1eb8")
    'turing'
    """
    number = int(device, 16)
    return next((name for low, high, name in _RANGES if low <= number <= high), "")


_MODELS = {
    "K80": ("102d",),
    "P4": ("1bb3",),
    "P40": ("1b38",),
    "P100": ("15f7", "15f8", "15f9"),
    "V100": ("1db1", "1db4", "1db5", "1db6"),
    "T4": ("1eb8",),
    "A100": ("20b0", "20b2", "20b5", "20f1"),
    "A30": ("20b7",),
    "A40": ("2235",),
    "A10": ("2236",),
    "L4": ("27b8",),
    "L40": ("26b5",),
    "L40S": ("26b9",),
    "H100": ("2330", "2331"),
}
_MODEL = {device: name for name, every in _MODELS.items() for device in every}


def model(device: str) -> str:
    """Return the model of a common data-centre card by its device id, empty for others.

    >>> model("1eb8"), model("1e30")
    ('T4', '')
    """
    return _MODEL.get(device, "")


def can_split(device: str) -> bool:
    """Tell whether a device id is one of a card that MIG can split.

    >>> can_split("20b0"), can_split("1eb8")
    (True, False)
    """
    return device.startswith(("20b", "20f", "23", "29"))


def older(name: str, than: str) -> bool:
    """Tell whether a generation is known and before another one."""
    return name in ORDER and ORDER.index(name) < ORDER.index(than)


def oldest_of(driver: tuple[int, ...]) -> str:
    """Return the oldest generation that a driver branch drives (NVIDIA's legacy list)."""
    if driver >= (590,):
        return "turing"
    return "maxwell" if driver >= (495,) else "kepler"
