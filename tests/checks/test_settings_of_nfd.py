"""NFD and what it writes: settings, second installations and labels, with signs that are well."""

import pytest

from oc_gpu.checks.model import Finding
from tests.checks.patient import NODE, Patient

PCI = "feature.node.kubernetes.io/pci-10de.present"


def _one(made: Patient, cause: str) -> Finding | None:
    return next((one for one in made.diagnosis() if one.cause == cause), None)


def _set(text: str, *, labelled: bool = False) -> Patient:
    made = Patient() if labelled else Patient().labels(PCI, "nvidia.com/gpu.present")
    made.one("nodefeaturediscoveries", "nfd-instance")["spec"] = {
        "workerConfig": {"configData": text}
    }
    return made


_OTHERWISE = (
    'sources:\n  pci:\n    deviceClassWhitelist:\n    - "0200"\n    - "0300"\n',
    'sources:\n  pci:\n    deviceClassWhitelist: ["12"]\n',
    "sources:\n  pci:\n    deviceLabelFields: [class, vendor, device]\n",
    "sources:\n  pci:\n    deviceLabelFields:\n    - device\n",
    "core:\n  labelSources: [cpu, kernel, memory]\n",
    'core:\n  labelSources:\n    - all\n    - "-pci"\n',
    "core:\n  featureSources: [cpu, system]\n",
    'core:\n  labelWhiteList: "^cpu-"\n',
)
_AS_WANTED = (
    "",
    'sources:\n  pci:\n    deviceClassWhitelist: ["0200", "03", "12"]\n',
    "sources:\n  pci:\n    deviceLabelFields: [vendor]\n",
    'sources:\n  pci:\n    deviceClassWhitelist:\n    - "0302"\n',
    "core:\n  labelSources: [all]\n  featureSources: [pci, cpu]\n",
    "core:\n  labelSources: [custom]\n",
    "#core:\n#  labelSources: [cpu]\n#  labelWhiteList: ^cpu-\n",
    'core:\n  labelWhiteList: "pci|cpu"\n',
    'core:\n  labelWhiteList: "("\n',
    "core:\n  labelWhiteList:\n  noPublish: false\n",
)


@pytest.mark.parametrize("text", _OTHERWISE)
def test_settings_that_leave_the_card_without_its_label(text: str) -> None:
    found = _set(text).diagnosis()[0]
    assert found.cause == "nfd-cr-misconfigured"


@pytest.mark.parametrize("text", _AS_WANTED)
def test_settings_that_let_it_have_its_label(text: str) -> None:
    assert _one(_set(text), "nfd-cr-misconfigured") is None


@pytest.mark.parametrize("text", _OTHERWISE)
def test_settings_where_the_card_has_its_label_all_the_same(text: str) -> None:
    assert _one(_set(text, labelled=True), "nfd-cr-misconfigured") is None


def _without_sets(*spaces: str) -> Patient:
    made = Patient()
    made.tables["daemonsets"] = made.tables["deployments"] = []
    image = "registry.k8s.io/nfd/node-feature-discovery:v0.13.0"
    for space in spaces:
        spec = {"containers": [{"name": "nfd-worker", "image": image}], "nodeName": NODE}
        made.pod("nfd-worker-x", space, spec, owner="nfd-worker")
    return made


def test_pods_of_two_installations_where_only_pods_were_read() -> None:
    assert _one(_without_sets("node-feature-discovery"), "nfd-duplicate") is not None
    assert _one(_without_sets(), "nfd-duplicate") is None


def test_a_card_of_another_generation_than_the_labels_tell() -> None:
    other = Patient().labels(**{"nvidia.com/gpu.family": "ampere"})
    found = _one(other, "stale-node-state")
    assert found is not None
    assert any("turing" in one.quote for one in found.evidence)


@pytest.mark.parametrize(
    ("family", "device"), [("turing", "1eb8"), ("ada-lovelace", "26b9"), ("undefined", "1eb8")]
)
def test_a_card_that_is_what_the_labels_tell(family: str, device: str) -> None:
    made = Patient().labels(**{"nvidia.com/gpu.family": family}).lspci(device, "nvidia")
    assert _one(made, "stale-node-state") is None


_CLASS = "feature.node.kubernetes.io/pci-0300_10de.present"


@pytest.mark.parametrize(
    "label",
    [
        {"nvidia.com/gpu.product": "Quadro-RTX-6000", "nvidia.com/gpu.family": "turing"},
        {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB"},
        {_CLASS: "true"},
    ],
)
def test_a_card_that_was_changed_for_another(label: dict[str, str]) -> None:
    found = _one(Patient().labels(**label), "stale-node-state")
    assert found is not None
    assert len(found.evidence) == 2


@pytest.mark.parametrize(
    ("label", "device"),
    [
        ({"nvidia.com/gpu.product": "Tesla-T4-SHARED"}, "1eb8"),
        ({"nvidia.com/gpu.product": "GRID-T4-16Q"}, "1eb8"),
        ({"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"}, "20b0"),
        ({"nvidia.com/gpu.product": "NVIDIA-RTX-A6000"}, "2230"),
        ({_CLASS.replace("0300", "0302"): "true"}, "1eb8"),
    ],
)
def test_a_card_that_is_the_one_of_the_labels(label: dict[str, str], device: str) -> None:
    made = Patient().labels(**label).lspci(device, "nvidia")
    assert _one(made, "stale-node-state") is None


def _pinned(image: str, operator: str) -> Patient:
    made = Patient().fails("nfd-master", image=image)
    made.one("nodefeaturediscoveries", "nfd-instance")["spec"] = {"operand": {"image": image}}
    made.pod_of("nfd-operator")["spec"]["containers"][0]["image"] = operator
    return made


def test_a_build_of_okd_that_fails_under_the_operator_of_openshift() -> None:
    okd = "quay.io/openshift/origin-node-feature-discovery:4.16"
    ours = "registry.redhat.io/openshift4/ose-node-feature-discovery:v4.16"
    cause = "nfd-operand-image-mismatch"
    assert _pinned(okd, ours).diagnosis()[0].cause == cause
    assert _one(_pinned(okd, "quay.io/openshift/origin-cluster-nfd-operator:4.16"), cause) is None
    assert _one(_pinned(ours, ours), cause) is None
    waits = _pinned(okd, ours).pending("nfd-master", "0/3 nodes are available: 3 Insufficient cpu")
    assert _one(waits, cause) is None


@pytest.mark.parametrize(
    "line",
    [
        "Fatal glibc error: CPU does not support x86-64-v2",
        "nfd-worker: /lib64/libc.so.6: version `GLIBC_2.34' not found (required by nfd-worker)",
    ],
)
def test_an_image_of_nfd_that_was_built_for_another_system(line: str) -> None:
    made = Patient().fails("nfd-worker").log("nfd-worker", line)
    assert made.diagnosis()[0].cause == "nfd-operand-image-mismatch"
    assert _one(Patient().fails("gfd").log("gfd", line), "nfd-operand-image-mismatch") is None


def _on(release: str) -> Patient:
    made = Patient().fails("nfd-worker", image="x/ose-node-feature-discovery@sha256:0")
    made.one("clusterversions", "version")["status"] = {"desired": {"version": release}}
    return made


def test_a_worker_that_ends_without_a_word_where_workers_call_the_master() -> None:
    found = _one(_on("4.10.3"), "nfd-worker-cannot-reach-master")
    assert found is not None
    assert found.confidence < 0.6
    assert _one(_on("4.16.3"), "nfd-worker-cannot-reach-master") is None


def _compact(*others: str) -> Patient:
    """Return a cluster whose nodes are all of the control plane, and NFD's workers on none."""
    made = Patient().labels(PCI, "nvidia.com/gpu.present").file("lspci")
    for node in made.tables["nodes"]:
        if node["metadata"]["name"] not in others:
            node["metadata"]["labels"] = {"node-role.kubernetes.io/control-plane": ""}
            node["status"]["capacity"] = node["status"]["allocatable"] = {"cpu": "8"}
    pods = made.tables["pods"]
    made.tables["pods"] = [p for p in pods if not p["metadata"]["name"].startswith("nfd-worker")]
    return made


def test_workers_that_no_node_of_the_control_plane_gets_where_there_are_no_others() -> None:
    assert _one(_compact(), "nfd-worker-excluded-by-role") is not None
    assert _one(_compact("worker-0"), "nfd-worker-excluded-by-role") is None
