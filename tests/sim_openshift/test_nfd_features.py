import pytest

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.nfd_features import (
    FEATURE_LABELS,
    PREFIX,
    WorkerConfig,
    node_change,
    worker_config,
    worker_labels,
)
from oc_gpu.sim.actors.nfd_operands import operands, worker_tolerations
from oc_gpu.sim.machine_facts import NodeFacts
from oc_gpu.sim.scenario import load

OLD, NEW = (4, 4), (4, 20)


def facts(scenario: str, name: str) -> NodeFacts:
    found = load(scenario).node(name)
    assert found is not None
    return found


def labels_of(scenario: str, name: str, text: str = "") -> dict[str, str]:
    minor = load(scenario).openshift.minor
    found = worker_labels(facts(scenario, name), worker_config(text, minor), minor)
    return {k.removeprefix(PREFIX): v for k, v in found.items()}


def test_labels_of_the_walkthrough_follow_from_the_facts_of_worker03() -> None:
    labels = labels_of("seed", "worker03")
    for flag in ("ADX", "AESNI", "AVX", "AVX2", "FMA3", "IBPB", "STIBP"):
        assert labels[f"cpu-cpuid.{flag}"] == "true"
    assert labels["kernel-version.full"] == "4.18.0-193.29.1.el8_2.x86_64"
    assert labels["kernel-selinux.enabled"] == "true"
    assert labels["system-os_release.ID"] == "rhcos"
    assert labels["system-os_release.VERSION_ID"] == "4.4"
    assert {k for k in labels if k.startswith("pci-")} == {
        "pci-10de.present",
        "pci-15ad.present",
    }


def test_node_without_a_card_has_no_nvidia_label() -> None:
    assert "pci-10de.present" not in labels_of("seed", "worker01")


@pytest.mark.parametrize(
    ("minor", "missing", "present"),
    [
        ((4, 5), {"RHEL_VERSION", "OSTREE_VERSION"}, {"ID"}),
        ((4, 6), {"OSTREE_VERSION"}, {"RHEL_VERSION", "OPENSHIFT_VERSION"}),
        ((4, 8), set(), {"OSTREE_VERSION"}),
    ],
)
def test_os_labels_appear_with_the_release_that_brought_them(
    minor: tuple[int, int], missing: set[str], present: set[str]
) -> None:
    found = worker_labels(facts("seed", "worker03"), WorkerConfig(), minor)
    names = {k.removeprefix(f"{PREFIX}system-os_release.") for k in found}
    assert present <= names
    assert not missing & names


def test_worker_configuration_decides_on_the_form_of_pci_labels() -> None:
    vendor = "sources: {pci: {deviceLabelFields: [vendor]}}"
    both = "sources: {pci: {deviceLabelFields: [class, vendor], deviceClassWhitelist: ['0302']}}"
    assert "pci-10de.present" in labels_of("ocp-4.20", "gpu-a100-0", vendor)
    assert {k for k in labels_of("ocp-4.20", "gpu-a100-0", both) if "pci" in k} == {
        "pci-0302_10de.present"
    }
    assert "pci-0302_10de.present" in labels_of("ocp-4.20", "gpu-a100-0")


def node(**labels: str) -> RawObject:
    return {"metadata": {"name": "n", "labels": labels, "annotations": {}}}


def test_master_takes_away_only_what_it_wrote_before() -> None:
    mine, other = f"{PREFIX}old", "team"
    before = node(**{mine: "true", other: "a", "nvidia.com/gpu.count": "1"})
    before["metadata"]["annotations"][FEATURE_LABELS] = "old,nvidia.com/gpu.count"
    change = node_change(before, {f"{PREFIX}new": "true"})
    assert change is not None
    assert change["metadata"]["labels"] == {
        f"{PREFIX}new": "true",
        mine: None,
        "nvidia.com/gpu.count": None,
    }
    assert change["metadata"]["annotations"] == {FEATURE_LABELS: "new"}


def test_nothing_is_written_when_labels_are_right() -> None:
    done = node(**{f"{PREFIX}a": "true"})
    done["metadata"]["annotations"][FEATURE_LABELS] = "a"
    assert node_change(done, {f"{PREFIX}a": "true"}) is None


@pytest.mark.parametrize(
    ("minor", "kinds"),
    [
        ((4, 4), {"nfd-master": "DaemonSet", "nfd-worker": "DaemonSet"}),
        ((4, 11), {"nfd-master": "DaemonSet", "nfd-worker": "DaemonSet"}),
        ((4, 12), {"nfd-master": "Deployment", "nfd-worker": "DaemonSet"}),
        (
            (4, 17),
            {"nfd-master": "Deployment", "nfd-worker": "DaemonSet", "nfd-gc": "Deployment"},
        ),
    ],
)
def test_workloads_are_those_of_the_release(minor: tuple[int, int], kinds: dict[str, str]) -> None:
    cr = {"metadata": {"name": "nfd", "namespace": "here"}, "spec": {}}
    made = [o for o in operands(cr, minor, "image") if o["apiVersion"] == "apps/v1"]
    assert {o["metadata"]["name"]: o["kind"] for o in made} == kinds
    assert {o["metadata"]["namespace"] for o in made} == {"here"}


def test_worker_tolerations_follow_the_era() -> None:
    given = {"workerTolerations": [{"operator": "Exists", "effect": "NoExecute"}]}
    assert worker_tolerations((4, 5), given) == [{"operator": "Exists"}]
    assert worker_tolerations((4, 6), {}) == [{"operator": "Exists", "effect": "NoSchedule"}]
    assert worker_tolerations((4, 20), given)[1:] == given["workerTolerations"]


def test_image_of_the_resource_wins_over_that_of_the_operator() -> None:
    cr = {"metadata": {"name": "n", "namespace": "s"}, "spec": {"operand": {"image": "own"}}}
    made = {o["metadata"]["name"]: o for o in operands(cr, NEW, "default")}
    pod = made["nfd-gc"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "own"
