"""What nfd-worker finds on a machine and publishes as labels, derived from the facts. Pure."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct

from oc_gpu.kube import RawObject
from oc_gpu.sim import yamltext
from oc_gpu.sim.machine_facts import NodeFacts, PciDevice

PREFIX = "feature.node.kubernetes.io/"
FEATURE_LABELS = "nfd.node.kubernetes.io/feature-labels"
_CLASSES = ("0200", "03", "12")
_LABEL_FIELDS = ("class", "vendor", "device", "subsystem_vendor", "subsystem_device")
_OWN_CONFIG_UNTIL = (4, 6)
_CPU_MODEL_SINCE = (4, 10)
_OS_FIELDS_SINCE = {
    "ID": (4, 0),
    "VERSION_ID": (4, 0),
    "RHEL_VERSION": (4, 6),
    "OPENSHIFT_VERSION": (4, 6),
    "OSTREE_VERSION": (4, 8),
}
_SPLIT = ("VERSION_ID", "RHEL_VERSION")


class WorkerConfig(Struct, frozen=True):
    """The part of nfd-worker.conf that decides on PCI labels."""

    classes: tuple[str, ...] = _CLASSES
    fields: tuple[str, ...] = ("class", "vendor")


@lru_cache
def worker_config(text: str, minor: tuple[int, int]) -> WorkerConfig:
    """Read nfd-worker.conf; what it does not say is NFD's default.

    Args:
        text: YAML of the ConfigMap nfd-worker, may be empty.
        minor: OpenShift release: until 4.6 the operator ships a configuration of its own.
    """
    if not text.strip():
        own = minor <= _OWN_CONFIG_UNTIL
        return WorkerConfig(fields=("vendor",)) if own else WorkerConfig()
    document = yamltext.load(text) or {}
    pci = ((document.get("sources") or {}).get("pci")) or {}
    default = WorkerConfig()
    return WorkerConfig(
        tuple(map(str, pci.get("deviceClassWhitelist") or default.classes)),
        tuple(pci.get("deviceLabelFields") or default.fields),
    )


def worker_labels(facts: NodeFacts, config: WorkerConfig, minor: tuple[int, int]) -> dict[str, str]:
    """Return the feature labels of a machine, with their prefix."""
    found = {f"cpu-cpuid.{flag}": "true" for flag in facts.cpu_flags}
    if minor >= _CPU_MODEL_SINCE:
        found["cpu-model.vendor_id"] = facts.cpu_vendor
        found["cpu-model.family"] = str(facts.cpu_family)
        found["cpu-model.id"] = str(facts.cpu_model)
    found |= _kernel(facts) | _os_release(facts, minor) | _pci(facts, config)
    return {PREFIX + k: v for k, v in found.items()}


def _kernel(facts: NodeFacts) -> dict[str, str]:
    numbers = facts.kernel.partition("-")[0].split(".")
    found = {"kernel-version.full": facts.kernel}
    names = ("major", "minor", "revision")
    found |= {f"kernel-version.{n}": v for n, v in zip(names, numbers, strict=False)}
    return found | ({"kernel-selinux.enabled": "true"} if facts.selinux else {})


def _os_release(facts: NodeFacts, minor: tuple[int, int]) -> dict[str, str]:
    found: dict[str, str] = {}
    seen = {**facts.os_release, **facts.stale_os_release}
    for field, since in _OS_FIELDS_SINCE.items():
        value = seen.get(field)
        if value is None or minor < since:
            continue
        found[f"system-os_release.{field}"] = value
        if field in _SPLIT:
            major, _, rest = value.partition(".")
            found[f"system-os_release.{field}.major"] = major
            if rest:
                found[f"system-os_release.{field}.minor"] = rest.partition(".")[0]
    return found


def _pci(facts: NodeFacts, config: WorkerConfig) -> dict[str, str]:
    return {
        f"pci-{_pci_name(device, config.fields)}.present": "true"
        for device in facts.pci
        if device.class_code.startswith(config.classes)
    }


def _pci_name(device: PciDevice, fields: Sequence[str]) -> str:
    values = {
        "class": device.class_code,
        "vendor": device.vendor,
        "device": device.device,
        "subsystem_vendor": device.vendor,
        "subsystem_device": device.subsystem,
    }
    return "_".join(values[f] for f in _LABEL_FIELDS if f in fields)


def raw_features(facts: NodeFacts) -> RawObject:
    """Return spec.features of a NodeFeature object."""
    numbers = facts.kernel.partition("-")[0].split(".")
    version = dict(zip(("major", "minor", "revision"), numbers, strict=False))
    attributes = {
        "cpu.model": {
            "vendor_id": facts.cpu_vendor,
            "family": str(facts.cpu_family),
            "id": str(facts.cpu_model),
        },
        "kernel.selinux": {"enabled": str(facts.selinux).lower()},
        "kernel.version": {"full": facts.kernel, **version},
        "system.name": {"nodename": facts.name},
        "system.osrelease": facts.os_release,
    }
    devices = [
        {"attributes": {"class": d.class_code, "vendor": d.vendor, "device": d.device}}
        for d in facts.pci
    ]
    return {
        "attributes": {k: {"elements": v} for k, v in attributes.items()},
        "flags": {"cpu.cpuid": {"elements": {flag: {} for flag in facts.cpu_flags}}},
        "instances": {"pci.device": {"elements": devices}},
    }


def node_change(node: RawObject, labels: Mapping[str, str]) -> RawObject | None:
    """Return the patch by which nfd-master brings a node's labels up to date, None when it is.

    Only labels that the annotation says are NFD's are taken away.
    """
    meta = node["metadata"]
    have = meta.get("labels") or {}
    notes = meta.get("annotations") or {}
    before = [_full(name) for name in notes.get(FEATURE_LABELS, "").split(",") if name]
    listed = ",".join(sorted(name.removeprefix(PREFIX) for name in labels))
    changes: dict[str, Any] = {k: v for k, v in labels.items() if have.get(k) != v}
    changes |= {k: None for k in before if k not in labels and k in have}
    if not changes and notes.get(FEATURE_LABELS, "") == listed:
        return None
    return {"metadata": {"labels": changes, "annotations": {FEATURE_LABELS: listed}}}


def _full(name: str) -> str:
    return name if "/" in name else PREFIX + name
