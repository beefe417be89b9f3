"""Cards that are divided: parts, layouts as the MIG manager reads them, what a plugin offers. Pure.

Which parts a card can have, and how many of each, are facts of the card in the scenario.
"""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from oc_gpu.sim.machine_facts import Gpu, MigProfile, NodeFacts, PciDevice
from oc_gpu.sim.scenario import Scenario, gpu_uuid

GPU_RESOURCE = "nvidia.com/gpu"
_PART_RESOURCE = "nvidia.com/mig-"
COMPUTE_SLICES, MEMORY_SLICES = 7, 8
"""Slices of which a card's parts are made, on every generation that can be divided."""

Layouts = Mapping[str, tuple[str, ...]]
"""PCI address -> names of the parts that a card is divided into; cards that are whole are not in
it, and one with no part yet has an empty tuple."""


class LayoutError(Exception):
    """A layout that a card cannot have, or that no configuration knows; in the tool's words."""


class Part(Struct, frozen=True):
    """A MIG device: a GPU instance with one compute instance that takes all of it."""

    profile: MigProfile
    index: int
    instance: int
    uuid: str


class Device(Struct, frozen=True):
    """What is handed out to pods: a whole card, or a part of one."""

    card: PciDevice
    part: Part | None = None


def parts_of(
    scenario: Scenario, node: NodeFacts, card: PciDevice, layouts: Layouts
) -> tuple[Part, ...]:
    """Return the parts of a card, larger ones first as they are numbered."""
    gpu = card.gpu
    if gpu is None:
        return ()
    known = {profile.name: profile for profile in gpu.mig}
    wanted = [known[name] for name in layouts.get(card.address, ()) if name in known]
    wanted.sort(key=lambda profile: -profile.compute_slices)
    seed = gpu_uuid(scenario, node, card)
    numbers: Counter[int] = Counter()
    parts = []
    for index, profile in enumerate(wanted):
        instance = profile.first_instance + numbers[profile.first_instance]
        numbers[profile.first_instance] += 1
        name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{seed}/{instance}"))
        parts.append(Part(profile, index, instance, f"MIG-{name}"))
    return tuple(parts)


def wanted_layouts(node: NodeFacts, config: Mapping[str, Any], name: str) -> Layouts:
    """Return how a layout of the MIG manager's configuration divides the cards of a node.

    Raises:
        LayoutError: The configuration does not know it, or a card cannot have it.
    """
    entries = (config.get("mig-configs") or {}).get(name)
    if entries is None:
        msg = f"error parsing config file: selected mig-config not present: {name}"
        raise LayoutError(msg)
    found: dict[str, tuple[str, ...]] = {}
    for number, card in enumerate(node.working_gpus):
        gpu = card.gpu
        entry = next((e for e in entries if _concerns(e, card, number)), None)
        if gpu is None or entry is None or not entry.get("mig-enabled"):
            continue
        if not gpu.mig_capable:
            msg = f"error setting MIG mode: GPU {number} ({gpu.product}) is not MIG capable"
            raise LayoutError(msg)
        found[card.address] = _divided(gpu, number, entry.get("mig-devices") or {})
    return found


def _concerns(entry: Mapping[str, Any], card: PciDevice, number: int) -> bool:
    devices, named = entry.get("devices", "all"), entry.get("device-filter")
    ids = [named] if isinstance(named, str) else named
    this = f"0x{card.device}{card.vendor}".lower()
    if ids and this not in {str(one).lower() for one in ids}:
        return False
    return bool(devices == "all" or number in devices)


def _divided(gpu: Gpu, number: int, asked: Mapping[str, int]) -> tuple[str, ...]:
    """Return the parts that are asked for, when the card has room for them."""
    known = {profile.name: profile for profile in gpu.mig}
    names = [name for name, count in asked.items() for _ in range(int(count))]
    strange = next((name for name in names if name not in known), None)
    if strange is not None:
        msg = f"error setting MIGConfig: GPU {number}: unsupported MIG profile {strange}"
        raise LayoutError(msg)
    profiles = [known[name] for name in names]
    compute = sum(profile.compute_slices for profile in profiles)
    memory = sum(profile.memory_slices for profile in profiles)
    if compute > COMPUTE_SLICES or memory > MEMORY_SLICES:
        msg = f"error setting MIGConfig: GPU {number}: Insufficient Resources for GPU instances"
        raise LayoutError(msg)
    return tuple(names)


def standard_config(scenario: Scenario) -> dict[str, Any]:
    """Return the layouts that come with the operator, of the cards that the scenario has."""
    cards = {d.device: d for n in scenario.nodes for d in n.gpu_devices if d.gpu and d.gpu.mig}
    every: dict[str, list[dict[str, Any]]] = {
        "all-disabled": [{"devices": "all", "mig-enabled": False}],
        "all-enabled": [{"devices": "all", "mig-enabled": True, "mig-devices": {}}],
    }
    for card in cards.values():
        gpu = card.gpu
        assert gpu is not None  # noqa: S101  # only cards with a GPU are kept
        only = {"device-filter": [f"0x{card.device}{card.vendor}".upper().replace("X", "x")]}
        for profile in gpu.mig:
            entry = only | _entry({profile.name: profile.most})
            every.setdefault(f"all-{profile.name.replace('+', '.')}", []).append(entry)
        if gpu.mig_balanced:
            every.setdefault("all-balanced", []).append(only | _entry(Counter(gpu.mig_balanced)))
    return {"version": "v1", "mig-configs": every}


def _entry(parts: Mapping[str, int]) -> dict[str, Any]:
    return {"devices": "all", "mig-enabled": True, "mig-devices": dict(parts)}


class MixedSizesError(Exception):
    """Parts that strategy single does not offer, in the device plugin's words."""


def offered(
    scenario: Scenario, node: NodeFacts, layouts: Layouts, strategy: str
) -> dict[str, tuple[Device, ...]]:
    """Return the devices that a plugin tells the kubelet of, by resource.

    Raises:
        MixedSizesError: Strategy single, and the parts are not all of one size.
    """
    cards = node.gpu_devices
    divided = [card for card in cards if card.address in layouts]
    if strategy == "none" or not divided:
        return {GPU_RESOURCE: tuple(Device(card) for card in cards)}
    parts = [Device(c, p) for c in divided for p in parts_of(scenario, node, c, layouts)]
    if strategy == "single":
        _insist_on_one_size(cards, divided, parts)
        return {GPU_RESOURCE: tuple(parts)}
    found: dict[str, tuple[Device, ...]] = {}
    whole = tuple(Device(card) for card in cards if card.address not in layouts)
    if whole:
        found[GPU_RESOURCE] = whole
    for device in parts:
        name = resource_of(device)
        found[name] = (*found.get(name, ()), device)
    return found


def resource_of(device: Device) -> str:
    """Return the name under which strategy mixed offers a device."""
    if device.part is None:
        return GPU_RESOURCE
    return _PART_RESOURCE + device.part.profile.name.replace("+", ".")


def _insist_on_one_size(
    cards: Sequence[PciDevice], divided: Sequence[PciDevice], parts: Sequence[Device]
) -> None:
    if len(divided) != len(cards):
        msg = "all devices on the node must be configured with the same migEnabled value"
        raise MixedSizesError(msg)
    if not parts:
        msg = "at least one device with migEnabled=true was not configured correctly"
        raise MixedSizesError(msg)
    if len({resource_of(device) for device in parts}) > 1:
        msg = "more than one MIG device type present on node"
        raise MixedSizesError(msg)
