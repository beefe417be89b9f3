"""Causes that only the state of things tells of: no log, no event, no kernel message."""

from oc_gpu.checks.model import Finding
from tests.checks.patient import CONTAINERS, Patient

_PROXY = {"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}


def _one(made: Patient, cause: str) -> Finding | None:
    return next((one for one in made.diagnosis() if one.cause == cause), None)


def proxied(exceptions: str, container: str = "k8s-driver-manager") -> Patient:
    """A driver pod with a proxy, of which one container of the initialisation fails."""
    made = Patient(openshift=False).fails("driver", init=container)
    env = [_PROXY, {"name": "NO_PROXY", "value": exceptions}]
    for one in made.pod_of("driver")["spec"]["initContainers"]:
        one["env"] = env
    return made


def unready_master() -> Patient:
    """A cluster without labels of NFD, whose master is not ready."""
    made = Patient().waits("nfd-master", minutes=600)
    for node in made.tables["nodes"]:
        labels = node["metadata"]["labels"]
        node["metadata"]["labels"] = {k: v for k, v in labels.items() if "feature" not in k}
    return made


def renewed(image: str) -> Patient:
    """A plugin that fails, and whose DaemonSet asks for an image by now."""
    made = Patient(openshift=False).fails("plugin")
    name, container, _ = CONTAINERS["plugin"]
    template = made.one("daemonsets", name)["spec"]["template"]["spec"]
    template["containers"] = [{"name": container, "image": image}]
    for one in made.pod_of("plugin")["spec"]["containers"]:
        one["image"] = "nvcr.io/nvidia/k8s-device-plugin:v0.14.1"
    return made


def test_a_manager_whose_proxy_gets_what_is_for_the_api_server() -> None:
    cause = "no-proxy-missing-cluster-ip"
    assert _one(proxied("localhost,.svc"), cause) is not None
    assert _one(proxied("localhost,10.96.0.0/12"), cause) is None
    assert _one(proxied("localhost", "mofed-validation"), cause) is None
    said = proxied("localhost").log("driver", "cannot evict", container="k8s-driver-manager")
    assert _one(said, cause) is None


def test_labels_do_not_come_from_a_master_that_is_not_ready() -> None:
    assert unready_master().diagnosis()[0].cause == "nfd-master-failing"


def test_a_driver_that_holds_a_card_and_shows_none_could_not_start_it() -> None:
    cause = "rminitadapter-failed"
    table = "No devices were found"
    made = Patient().fails("validator").file("nvidia-bug-report", table)
    assert _one(made, cause) is not None
    assert _one(made.lspci("1eb8"), cause) is None
    said = Patient().fails("validator", init="driver-validation")
    said.lspci("1eb8").log("validator", table, container="driver-validation")
    assert _one(said, cause) is not None


def test_a_pod_that_fails_is_older_than_the_image_of_its_set() -> None:
    cause = "operand-image-stale"
    assert _one(renewed("nvcr.io/nvidia/k8s-device-plugin:v0.17.0"), cause) is not None
    assert _one(renewed("mirror.example.com/k8s-device-plugin:v0.14.1"), cause) is None
    counted = renewed("nvcr.io/nvidia/k8s-device-plugin:v0.17.0")
    status = counted.one("daemonsets", CONTAINERS["plugin"][0])["status"]
    status["updatedNumberScheduled"] = status["desiredNumberScheduled"]
    assert _one(counted, cause) is not None


def test_programs_that_share_the_api_server_alone_end_together() -> None:
    ended = ("operator", "nfd-master", "nfd-worker")

    def together(*parts: str) -> Patient:
        made = Patient(openshift=False)
        for part in parts:
            made.fails(part)
        return made

    assert together(*ended).diagnosis()[0].cause == "pod-network-broken"
    assert together(*ended[1:]).diagnosis()[0].cause == "nfd-master-failing"
    said = together(*ended).log("operator", "unable to parse the flags")
    assert _one(said, "pod-network-broken") is None


def unready(message: str) -> Patient:
    """A cluster of which the operator alone says what is not ready."""
    made = Patient().policy("notReady")
    conditions = [{"type": "Error", "status": "True", "message": message}]
    made.one("clusterpolicies", "gpu-cluster-policy")["status"]["conditions"] = conditions
    return made


def test_the_operator_alone_says_that_the_driver_is_not_ready() -> None:
    cause = "driver-not-ready-generic"
    states = "ClusterPolicy is not ready, states not ready: [{}]"
    assert _one(unready(states.format("state-driver")), cause) is not None
    assert _one(unready(states.format("state-dcgm state-driver")), cause) is not None
    assert _one(unready(states.format("state-driver-not")), cause) is None
    assert _one(unready(states.format("state-dcgm")), cause) is None


def test_a_manager_of_vgpus_that_says_nothing_has_more_often_a_wrong_package() -> None:
    made = Patient().without("driver").workload("vgpu-manager").fails("vgpu-manager")
    made.file("proc_cmdline", "BOOT_IMAGE=/vmlinuz root=UUID=1 rw")
    assert made.diagnosis()[0].cause == "vgpu-wrong-package"
    assert _one(made, "iommu-disabled") is None
    made.workload("sandbox").fails("sandbox", init="vgpu-manager-validation")
    assert _one(made, "iommu-disabled") is not None


def test_of_two_notes_the_likelier_one_is_told_first() -> None:
    made = Patient(operator="v1.9.1")
    pod = made.pod("shop-0", "shop", {"containers": [{"name": "shop"}], "nodeName": "worker-0"})
    pod.fails("shop-0", "ImagePullBackOff")
    pod.event("shop-0", "toomanyrequests: You have reached your pull rate limit")
    first, second = made.diagnosis()[:2]
    assert (first.cause, second.cause) == ("registry-rate-limited", "unsupported-version-matrix")
