"""`nvidia-smi -q -x`: the XML document, in the document types v10 to v13."""

from collections.abc import Iterable
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from oc_gpu.sim.hardware.mig import Part
from oc_gpu.sim.hardware.releases import Release
from oc_gpu.sim.hardware.smi_card import Card, mig_mode

Node = tuple[str, "str | list[Node]"]

_RENAMED_POWER = 12
_SPLIT_POWER = 13
_NA = "N/A"


def document(cards: tuple[Card, ...], release: Release, now: float) -> str:
    """Return the whole XML text for these cards."""
    when = datetime.fromtimestamp(now, UTC).strftime("%a %b %e %H:%M:%S %Y")
    version = f"v{release.dtd}"
    lines = [
        '<?xml version="1.0" ?>',
        f'<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_{version}.dtd">',
        "<nvidia_smi_log>",
    ]
    head: list[Node] = [("timestamp", when), *_versions(release)]
    lines += _render([*head, ("attached_gpus", str(len(cards)))], 1)
    for card in cards:
        lines += [f'\t<gpu id="{card.bus_id}">', *_render(_card(card, release), 2), "\t</gpu>"]
    return "\n".join([*lines, "</nvidia_smi_log>"])


def _versions(release: Release) -> list[Node]:
    nodes: list[Node] = [("driver_version", release.version), ("cuda_version", release.cuda)]
    if release.number >= 610:  # noqa: PLR2004
        nodes += [("kmd_version", release.version), ("cuda_umd_version", release.cuda)]
    return nodes


def _card(card: Card, release: Release) -> list[Node]:
    return [
        *_identity(card, release),
        *_licence(card),
        *_pci(card),
        *_state(card, release),
        *_readings(card, release),
    ]


def _identity(card: Card, release: Release) -> list[Node]:
    gpu = card.gpu
    brand = "Tesla" if card.name.startswith("Tesla") else "NVIDIA"
    mode = mig_mode(card, release)
    nodes: list[Node] = [("product_name", card.name), ("product_brand", brand)]
    if release.number >= 510:  # noqa: PLR2004
        nodes.append(("product_architecture", gpu.architecture))
    nodes += [
        ("display_mode", "Disabled"),
        ("display_active", "Disabled"),
        ("persistence_mode", "Enabled" if gpu.persistence else "Disabled"),
    ]
    if release.number >= 450:  # noqa: PLR2004
        nodes += [("mig_mode", [("current_mig", mode), ("pending_mig", mode)])]
        nodes += [("mig_devices", [*map(_part, card.parts)] or "None")]
    return [
        *nodes,
        ("serial", card.serial),
        ("uuid", card.uuid),
        ("minor_number", str(card.minor)),
        ("vbios_version", gpu.vbios),
    ]


def _licence(card: Card) -> list[Node]:
    """Return what a virtual GPU says of its licence."""
    vgpu = card.gpu.vgpu
    if vgpu is None:
        return []
    status = "Licensed (Expiry: N/A)" if card.licensed else "Unlicensed (Unrestricted)"
    product: list[Node] = [
        ("licensed_product_name", vgpu.licensed_product),
        ("license_status", status),
    ]
    return [
        ("gpu_virtualization_mode", [("virtualization_mode", "VGPU")]),
        ("vgpu_software_licensed_product", product),
    ]


def _part(part: Part) -> Node:
    profile = part.profile
    shared: list[Node] = [
        ("multiprocessor_count", str(profile.multiprocessors)),
        ("copy_engine_count", str(profile.copy_engines)),
        ("encoder_count", "0"),
        ("decoder_count", str(profile.decoders)),
        ("ofa_count", "0"),
        ("jpg_count", "0"),
    ]
    memory: list[Node] = [
        ("total", f"{profile.memory_mib} MiB"),
        ("reserved", "0 MiB"),
        ("used", "0 MiB"),
        ("free", f"{profile.memory_mib} MiB"),
    ]
    return (
        "mig_device",
        [
            ("index", str(part.index)),
            ("gpu_instance_id", str(part.instance)),
            ("compute_instance_id", "0"),
            ("device_attributes", [("shared", shared)]),
            ("fb_memory_usage", memory),
        ],
    )


def _pci(card: Card) -> list[Node]:
    domain, bus, rest = card.bus_id.split(":")
    generation = str(card.gpu.pcie_generation)
    link: list[Node] = [
        ("pcie_gen", [("max_link_gen", generation), ("current_link_gen", generation)]),
        ("link_widths", [("max_link_width", "16x"), ("current_link_width", "16x")]),
    ]
    return [
        (
            "pci",
            [
                ("pci_bus", bus),
                ("pci_device", rest.partition(".")[0]),
                ("pci_domain", domain[-4:]),
                ("pci_device_id", card.pci_device_id.removeprefix("0x")),
                ("pci_bus_id", card.bus_id),
                ("pci_sub_system_id", card.pci_subsystem_id.removeprefix("0x")),
                ("pci_gpu_link_info", link),
            ],
        )
    ]


def _state(card: Card, release: Release) -> list[Node]:
    gpu = card.gpu
    reasons = "clocks_event_reasons" if release.dtd >= _SPLIT_POWER else "clocks_throttle_reasons"
    prefix = reasons.removesuffix("s")
    memory: list[Node] = [("total", f"{gpu.memory_mib} MiB")]
    if release.number >= 510:  # noqa: PLR2004
        memory.append(("reserved", f"{gpu.reserved_mib} MiB"))
    memory += [("used", "0 MiB"), ("free", f"{card.free_mib} MiB")]
    bar1: list[Node] = [
        ("total", f"{gpu.bar1_mib} MiB"),
        ("used", "1 MiB"),
        ("free", f"{gpu.bar1_mib - 1} MiB"),
    ]
    fan = _NA if gpu.fan_percent is None else f"{gpu.fan_percent} %"
    ecc, used = "Enabled" if gpu.ecc else _NA, _NA if card.divided else "0 %"
    return [
        ("fan_speed", fan),
        ("performance_state", gpu.pstate),
        (reasons, [(f"{prefix}_gpu_idle", "Active")]),
        ("fb_memory_usage", memory),
        ("bar1_memory_usage", bar1),
        ("compute_mode", "Default"),
        ("utilization", [("gpu_util", used), ("memory_util", used)]),
        ("ecc_mode", [("current_ecc", ecc), ("pending_ecc", ecc)]),
    ]


def _readings(card: Card, release: Release) -> list[Node]:
    gpu = card.gpu
    return [
        ("temperature", [("gpu_temp", f"{gpu.temperature_c} C")]),
        _power(card, release),
        (
            "max_clocks",
            [
                ("sm_clock", f"{gpu.max_sm_clock_mhz} MHz"),
                ("mem_clock", f"{gpu.max_memory_clock_mhz} MHz"),
            ],
        ),
        ("processes", []),
    ]


def _power(card: Card, release: Release) -> Node:
    gpu = card.gpu
    draw = f"{gpu.power_w:.2f} W"
    limit = f"{gpu.power_limit_w:.2f} W"
    if release.dtd >= _SPLIT_POWER:
        draws: list[Node] = [("average_power_draw", draw), ("instant_power_draw", draw)]
        limits: list[Node] = [("current_power_limit", limit), ("default_power_limit", limit)]
    else:
        draws = [("power_draw", draw)]
        limits = [("power_limit", limit), ("default_power_limit", limit)]
    if release.dtd < _RENAMED_POWER:
        draws = [("power_management", "Supported"), *draws]
    name = "gpu_power_readings" if release.dtd >= _RENAMED_POWER else "power_readings"
    return name, [("power_state", gpu.pstate), *draws, *limits]


def _render(nodes: Iterable[Node], depth: int) -> list[str]:
    lines = []
    pad = "\t" * depth
    for tag, value in nodes:
        if isinstance(value, str):
            lines.append(f"{pad}<{tag}>{escape(value)}</{tag}>")
        else:
            lines += [f"{pad}<{tag}>", *_render(value, depth + 1), f"{pad}</{tag}>"]
    return lines
