"""What only the relation of two things tells: a label and a log, a pod and the image of others."""

import copy

from oc_gpu.checks.catalogue import SURE
from oc_gpu.checks.model import Finding, Severity
from oc_gpu.snapshot.texts import Text, TextRef
from tests.checks.ailments import AILMENTS
from tests.checks.patient import BUILD, CONTAINERS, NODE, Patient

_NOTE = "machineconfiguration.openshift.io/"
_OWN = "nvcr.io/nvidia/cloud-native/gpu-operator-validator@sha256:"
_WAITS = "level=info msg=\"Waiting for change to 'nvidia.com/mig.config' label\""


def _one(made: Patient, cause: str) -> Finding | None:
    return next((one for one in made.diagnosis() if one.cause == cause), None)


def _k8s() -> Patient:
    return Patient(openshift=False)


def changing(*lines: str, state: str = "pending") -> Patient:
    labels = {"nvidia.com/mig.config": "all-3g.20gb", "nvidia.com/mig.config.state": state}
    return _k8s().labels(**labels).log("mig", *lines)


def test_a_manager_that_waits_for_the_next_change_of_layout_has_given_this_one_up() -> None:
    cause = "mig-config-failed"
    assert _one(changing(_WAITS, "Updating to MIG config: all-3g.20gb", _WAITS), cause) is not None
    assert _one(changing(_WAITS, "Updating to MIG config: all-3g.20gb"), cause) is None
    assert _one(changing(_WAITS, state="success"), cause) is None


def noted(**notes: str) -> Patient:
    made = Patient()
    every = {f"{_NOTE}{name}": value for name, value in notes.items()}
    made.one("nodes", "worker-0")["metadata"]["annotations"] = every
    return made


def test_a_node_calls_itself_degraded_before_its_pool_does() -> None:
    cause = "mcp-degraded-other"
    assert _one(noted(state="Degraded", reason="timed out waiting for the condition"), cause)
    assert _one(noted(state="Done", reason=""), cause) is None


def test_a_pool_on_its_way_names_where_it_goes_and_misses_nothing() -> None:
    def going(kind: str) -> Patient:
        made = noted(desiredConfig="rendered-worker-2", currentConfig="rendered-worker-1")
        made.add("machineconfigs", "rendered-worker-1")
        condition = {"type": kind, "status": "True", "message": "updating to rendered-worker-2"}
        return made.add("machineconfigpools", "w", status={"conditions": [condition]})

    cause = "mcp-rendered-config-missing"
    named, going_there = _one(going("NodeDegraded"), cause), _one(going("Updating"), cause)
    assert named is not None
    assert going_there is None or going_there.confidence < named.confidence


def lost(*, ready: bool, virtual: bool = True) -> Patient:
    """A node of which nothing is heard, and its driver when it was last heard of."""
    made = AILMENTS["node-not-ready"][0]()
    if virtual:
        made.file("lspci", "3b:00.0 0302: 10de:1eb8", "00:0f.0 0300: 15ad:0405")
    made.pod_of("driver")["status"]["containerStatuses"][0]["ready"] = ready
    return made


def test_a_machine_that_went_silent_as_its_driver_came_up_was_taken_down() -> None:
    crash = "hypervisor-passthrough-crash"
    assert lost(ready=False).diagnosis()[0].cause == crash
    assert lost(ready=True).diagnosis()[0].cause == "node-not-ready"
    assert lost(ready=False, virtual=False).diagnosis()[0].cause == "node-not-ready"
    named = lost(ready=False, virtual=False)
    named.one("nodes", NODE)["spec"]["providerID"] = "vsphere://4231a5c0"
    assert named.diagnosis()[0].cause == crash
    bought = lost(ready=False)
    bought.one("nodes", NODE)["spec"]["providerID"] = "aws:///us-east-2a/i-0a1b"
    assert bought.diagnosis()[0].cause == "node-not-ready"
    drained = lost(ready=False)
    drained.one("nodes", NODE)["spec"]["unschedulable"] = True
    assert drained.diagnosis()[0].cause == "node-not-ready"


def test_a_hypervisor_says_that_a_machine_crashed() -> None:
    made = lost(ready=True, virtual=False)
    assert made.diagnosis()[0].cause == "node-not-ready"
    line = "qemu-system-x86_64: pci.c:1541: pci_irq_handler: Assertion `0 <= irq_num' failed."
    made.texts[TextRef(kind="other", where="qemu.log")] = (Text([line]),)
    assert made.diagnosis()[0].cause == "hypervisor-passthrough-crash"


def refused(driver: str = "vfio-pci", *, says: str = "") -> Patient:
    made = Patient().workload("sandbox").policy(sandboxWorkloads={"enabled": True})
    made.lspci("2236", driver).file("proc_cmdline", "root=/dev/sda rw")
    made.fails("sandbox", init="vfio-pci-validation")
    return made.log("sandbox", says, container="vfio-pci-validation") if says else made


def test_a_validation_fails_though_its_cards_are_bound_as_it_wants_them() -> None:
    cause = "sandbox-validation-device-in-use"
    found = refused().diagnosis()[0]
    assert found.cause == cause
    assert found.confidence >= SURE
    assert refused("").diagnosis()[0].cause == "iommu-disabled"
    said = _one(refused(says="panic: nil map"), cause)
    assert said is None or said.confidence < SURE


def own_images(*odd: str, fails: str = "toolkit") -> Patient:
    """Operands that wait by the operator's image, some by another build of it."""
    made = Patient()
    for part in ("toolkit", "plugin", "gfd", "dcgm", "exporter"):
        template = made.one("daemonsets", CONTAINERS[part][0])["spec"]["template"]["spec"]
        template["initContainers"] = copy.deepcopy(template["initContainers"])
        template["initContainers"][0]["image"] = _OWN + ("bb" if part in odd else "aa")
    return made.fails(fails, init="driver-validation" if fails == "toolkit" else "")


def test_one_operand_has_another_build_of_the_image_that_all_share() -> None:
    cause = "operand-image-stale"
    assert _one(own_images("toolkit"), cause) is not None
    assert _one(own_images(), cause) is None
    assert _one(own_images("toolkit", fails="nfd-worker"), cause) is None
    assert _one(own_images("toolkit", "plugin", "gfd"), cause) is None


def server(*flags: str) -> Patient:
    """An API server that is started by hand, and an operator that made no operand."""
    made = _k8s().without("driver", "toolkit", "plugin", "gfd", "dcgm", "exporter", "mig")
    command = ["kube-apiserver", "--etcd-servers=https://127.0.0.1:2379", *flags]
    containers = [{"name": "kube-apiserver", "command": command}]
    made.without("validator").policy()
    return made.pod("kube-apiserver-master-0", "kube-system", {"containers": containers})


def test_an_api_server_allows_privileged_pods_only_where_it_is_told_to() -> None:
    cause = "privileged-disallowed-apiserver"
    assert _one(server(), cause) is not None
    assert _one(server("--allow-privileged=true"), cause) is None
    assert _one(server("--allow-privileged"), cause) is None
    other = server().workload("driver")
    assert _one(other, cause) is None


def proxied(*, state: str) -> Patient:
    """A driver that is at its packages, where the operator alone was told of a proxy."""
    made = _k8s()
    env = [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}]
    made.pod_of("operator")["spec"]["containers"][0]["env"] = env
    return made.fails("driver") if state == "fails" else made.waits("driver", minutes=600)


def test_a_driver_is_not_told_of_the_proxy_that_its_operator_has() -> None:
    cause = "proxy-missing-driver"
    found = _one(proxied(state="fails"), cause)
    assert found is not None
    assert found.confidence < SURE
    loads = proxied(state="waits").log("driver", "Updating the package cache...")
    assert _one(loads, cause) is not None
    assert _one(proxied(state="waits"), cause) is None
    went_on = proxied(state="waits").log("driver", "Updating the package cache...", "Compiling")
    assert _one(went_on, cause) is None


def test_a_bundle_of_authorities_that_is_not_there_or_empty() -> None:
    cause = "trusted-ca-missing"
    for volume, reason in (
        ("gpu-operator-trusted-ca", "configmap references non-existent config key: ca-bundle.crt"),
        ("site-ca", 'configmap "site-ca" not found'),
    ):
        why = f'MountVolume.SetUp failed for volume "{volume}" : {reason}'
        made = Patient().policy("ready", driver={"certConfig": {"name": "site-ca"}})
        made.event("driver", why)
        assert all(one.severity is not Severity.ERROR for one in made.diagnosis())
        assert made.fails("driver", "ContainerCreating").diagnosis()[0].cause == cause


def test_feature_discovery_of_its_own_that_may_not_watch_split_cards() -> None:
    cause = "mig-monitor-env-missing"
    slices = {"nvidia.com/mig-1g.5gb": "7"}
    made = _k8s().fails("gfd").node(capacity=slices, allocatable=slices)
    assert _one(made, cause) is None
    env = [{"name": "GFD_MIG_STRATEGY", "value": "mixed"}]
    made.pod_of("gfd")["spec"]["containers"][0]["env"] = env
    assert _one(made, cause) is not None


def test_a_volume_of_authorities_that_only_came_late() -> None:
    why = 'MountVolume.SetUp failed for volume "gpu-operator-trusted-ca" : failed to sync cache'
    made = Patient().fails("driver", "ContainerCreating").event("driver", why)
    assert _one(made, "trusted-ca-missing") is None


def built_with(digest: str, *, fails: bool = True) -> Patient:
    """A driver that is built with an image of Driver Toolkit."""
    made = Patient()
    item = made.one("daemonsets", CONTAINERS["driver"][0])
    item["metadata"].setdefault("labels", {})["openshift.driver-toolkit.rhcos"] = BUILD
    image = f"quay.io/openshift-release-dev/ocp-v4.0-art-dev@{digest}"
    container = {"name": "openshift-driver-toolkit-ctr", "image": image}
    spec = item["spec"]["template"]["spec"]
    spec["containers"] = [*spec["containers"], container]
    items = [{"image": "sha256:bb"}, {"image": "sha256:aa"}]
    made.one("imagestreams", "driver-toolkit")["status"] = {
        "tags": [{"tag": BUILD, "items": items}]
    }
    return made.fails("driver") if fails else made


def test_a_driver_is_built_with_the_toolkit_of_another_build() -> None:
    cause = "operand-image-stale"
    assert _one(built_with("sha256:cc"), cause) is not None
    assert _one(built_with("sha256:aa"), cause) is None
    assert _one(built_with("sha256:cc", fails=False), cause) is None
    unread = built_with("sha256:cc").drop("imagestreams")
    assert _one(unread, cause) is None


def on_host(*, table: str = "", driver: str = "") -> Patient:
    """A host with its own driver and toolkit, and operands that wait for markers."""
    made = _k8s().without("driver", "toolkit").lspci("1eb8", driver)
    made.policy(driver={"enabled": False}, toolkit={"enabled": False})
    if table:
        made.file("nvidia-bug-report", table)
    return made.fails("validator", init="driver-validation")


def test_the_table_of_nvidia_smi_shows_that_a_host_has_its_driver() -> None:
    table = "| NVIDIA-SMI 535.104.05   Driver Version: 535.104.05   CUDA Version: 12.2 |"
    markers, bare = "validation-markers-missing", "driver-disabled-no-host-driver"
    assert on_host(table=table).diagnosis()[0].cause == markers
    assert on_host(driver="nvidia").diagnosis()[0].cause == markers
    assert on_host().diagnosis()[0].cause == bare
    gone = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
    assert on_host(table=gone).diagnosis()[0].cause == bare
