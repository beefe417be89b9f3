"""Labels of gpu-feature-discovery, as it writes them for the NFD worker of its node.

`local_features` is what stands in the node's features.d folder, derived from the pods that run
there; the NFD actor adds it to what it finds by itself.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from oc_gpu.sim.hardware.images import driver_in, loaded_release
from oc_gpu.sim.hardware.mig import Device, Part, parts_of, resource_of
from oc_gpu.sim.hardware.releases import Release
from oc_gpu.sim.machine_facts import Gpu, NodeFacts, PciDevice
from oc_gpu.sim.scenario import Scenario

_PREFIX = "nvidia.com/"
_DISCOVERY = "gpu-feature-discovery"
_DRIVER_CONTAINER = "nvidia-driver-ctr"
_DISPLAY_CLASS = "0300"


class Cards(Struct, frozen=True):
    """How the cards of a node are now.

    Attributes:
        driver: Version of the loaded driver.
        layouts: How they are divided.
        strategy: How parts of them are offered.
    """

    driver: str
    layouts: Mapping[str, tuple[str, ...]] = {}
    strategy: str = "none"


def discovery_labels(
    scenario: Scenario, node: NodeFacts, now: Cards, *, stamp: int, extended: bool
) -> dict[str, str]:
    """Return the labels of one node with a loaded driver.

    Args:
        scenario: The cluster's facts.
        node: The node's facts.
        now: How its cards are.
        stamp: Epoch seconds of the discovery.
        extended: The larger set of the releases that are part of the device plugin's image.
    """
    release = loaded_release(scenario, now.driver)
    cards = [d for d in node.gpu_devices if d.gpu and release.drives(d.gpu.architecture)]
    if not cards:
        return {}
    labels = _common(release, cards, stamp)
    if extended:
        labels |= _extended(release, node, cards)
        labels["mig.strategy"] = now.strategy
        divided = [
            Device(card, part)
            for card in cards
            for part in parts_of(scenario, node, card, now.layouts)
        ]
        labels |= _divided(labels, divided, now)
    return {_PREFIX + k: v for k, v in labels.items()}


def _divided(labels: Mapping[str, str], devices: list[Device], now: Cards) -> dict[str, str]:
    """Return the labels of divided cards: in place of those of whole ones, or beside them."""
    sizes = {resource_of(d): d.part.profile for d in devices if d.part is not None}
    product = labels["gpu.product"]
    if now.strategy == "single" and len(sizes) == 1:
        return _of_size("gpu", product, devices)
    found = {} if now.strategy != "mixed" or not devices else {"gpu.replicas": "0"}
    for resource in sizes if now.strategy == "mixed" else ():
        ours = [d for d in devices if resource_of(d) == resource]
        found |= _of_size(resource.removeprefix(_PREFIX), product, ours)
    return found


def _of_size(name: str, product: str, devices: list[Device]) -> dict[str, str]:
    part = devices[0].part
    assert isinstance(part, Part)  # noqa: S101  # the caller kept parts only
    profile = part.profile
    return {
        f"{name}.count": str(len(devices)),
        f"{name}.engines.copy": str(profile.copy_engines),
        f"{name}.engines.decoder": str(profile.decoders),
        f"{name}.memory": str(profile.memory_mib),
        f"{name}.multiprocessors": str(profile.multiprocessors),
        f"{name}.product": f"{product}-MIG-{profile.name.replace('+', '.')}",
        f"{name}.replicas": "1",
        f"{name}.sharing-strategy": "none",
        f"{name}.slices.ci": str(profile.compute_slices),
        f"{name}.slices.gi": str(profile.compute_slices),
    }


def _common(release: Release, cards: list[PciDevice], stamp: int) -> dict[str, str]:
    gpu = cards[0].gpu
    assert gpu is not None  # noqa: S101  # the caller kept only devices with a GPU
    major, minor, revision = (*release.version.split("."), "", "")[:3]
    capability = gpu.compute_capability.split(".")
    runtime = release.cuda.split(".")
    return {
        "cuda.driver.major": major,
        "cuda.driver.minor": minor,
        "cuda.driver.rev": revision,
        "cuda.runtime.major": runtime[0],
        "cuda.runtime.minor": runtime[1],
        "gfd.timestamp": str(stamp),
        "gpu.compute.major": capability[0],
        "gpu.compute.minor": capability[1],
        "gpu.count": str(len(cards)),
        "gpu.family": gpu.architecture.lower().replace(" ", "-"),
        "gpu.memory": str(gpu.memory_mib),
        "gpu.product": gpu.product.replace(" ", "-"),
    }


def _extended(release: Release, node: NodeFacts, cards: list[PciDevice]) -> dict[str, str]:
    gpu = cards[0].gpu
    assert gpu is not None  # noqa: S101  # the caller kept only devices with a GPU
    major, minor, revision = (*release.version.split("."), "", "")[:3]
    runtime = release.cuda.split(".")
    return {
        "cuda.driver-version.full": release.version,
        "cuda.driver-version.major": major,
        "cuda.driver-version.minor": minor,
        "cuda.driver-version.revision": revision,
        "cuda.runtime-version.full": release.cuda,
        "cuda.runtime-version.major": runtime[0],
        "cuda.runtime-version.minor": runtime[1],
        "gpu.machine": node.machine.replace(" ", "-"),
        "gpu.mode": "graphics" if cards[0].class_code == _DISPLAY_CLASS else "compute",
        "gpu.replicas": "1",
        "gpu.sharing-strategy": "none",
        "mig.capable": str(gpu.mig_capable).lower(),
        "mps.capable": "false",
        "vgpu.present": str(gpu.vgpu is not None).lower(),
        **_virtual(gpu),
    }


def _virtual(gpu: Gpu) -> dict[str, str]:
    """Return what a virtual card tells of its hypervisor."""
    if gpu.vgpu is None:
        return {}
    return {
        "vgpu.host-driver-branch": gpu.vgpu.host_branch,
        "vgpu.host-driver-version": gpu.vgpu.host_driver,
    }


def local_features(
    scenario: Scenario,
    node: NodeFacts,
    pods: Iterable[dict[str, Any]],
    layouts: Mapping[str, tuple[str, ...]] | None = None,
) -> dict[str, str]:
    """Return what gpu-feature-discovery has written on a node.

    Nothing unless its container and the driver's are running there.

    Args:
        scenario: The cluster's facts.
        node: The node's facts.
        pods: The pods of the cluster.
        layouts: How the node's cards are divided.
    """
    here = [p for p in pods if p["spec"].get("nodeName") == node.name]
    discovery = _running(here, _DISCOVERY)
    driver = _running(here, _DRIVER_CONTAINER)
    if discovery is None or driver is None:
        return {}
    image = discovery["image"]
    return discovery_labels(
        scenario,
        node,
        Cards(
            driver_in(scenario, driver["image"]).version,
            layouts or {},
            discovery["env"].get("MIG_STRATEGY", "none"),
        ),
        stamp=_started(discovery),
        extended=_DISCOVERY not in image,
    )


def _running(pods: list[dict[str, Any]], container: str) -> dict[str, Any] | None:
    """Return the ready container of this name, with image and variables of its pod's spec."""
    for pod in pods:
        specs = {c["name"]: c for c in pod["spec"]["containers"]}
        for status in (pod.get("status") or {}).get("containerStatuses") or []:
            if status["name"] == container and status.get("ready"):
                given = specs[container].get("env") or []
                env = {e["name"]: e["value"] for e in given if "value" in e}
                return {**status, "image": specs[container]["image"], "env": env}
    return None


def _started(status: dict[str, Any]) -> int:
    text = ((status.get("state") or {}).get("running") or {}).get("startedAt")
    return int(datetime.fromisoformat(text).timestamp()) if text else 0
