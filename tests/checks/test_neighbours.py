"""What is wrong beside the GPU stack is a note; what hosts and objects carry tells of the stack."""

from oc_gpu.checks.catalogue import SURE
from oc_gpu.checks.model import Finding, Severity
from tests.checks.patient import NODE, Patient

_PROXY = [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}]
_ENVIRONMENT = "etc/systemd/system.conf.d/01-proxy-environment.conf"


def _one(made: Patient, cause: str) -> Finding | None:
    return next((one for one in made.diagnosis() if one.cause == cause), None)


def _note(made: Patient, cause: str) -> bool:
    found = _one(made, cause)
    return found is not None and found.severity is Severity.WARNING and found.confidence < SURE


def neighbour(name: str, space: str = "ml", **meta: str) -> Patient:
    """A healthy GPU stack beside a program of others that fails."""
    container = {"name": "main", "image": f"registry.example.com/{name}:1"}
    spec = {"containers": [container], "nodeName": "worker-0"}
    made = Patient().pod(name, space, spec, annotations=meta)
    return made.fails(name)


def scc(name: str, priority: int | None = None, *, reads: bool = False) -> Patient:
    """A program of the platform that fails under an SCC."""
    made = neighbour("config-operator-1", "openshift-config", **{"openshift.io/scc": name})
    table = "securitycontextconstraints"
    return made.add(table, name, priority=priority, readOnlyRootFilesystem=reads)


def test_an_scc_that_is_custom_or_was_put_before_others() -> None:
    cause = "scc-wrong-selected"
    assert _note(scc("stackrox-collector", reads=True), cause)
    assert _one(scc("rook-ceph-csi"), cause) is None
    assert _note(scc("nonroot", 20), cause)
    assert _one(scc("nonroot"), cause) is None
    assert _one(scc("anyuid", 10), cause) is None


def test_a_set_of_others_of_which_no_pod_is_made() -> None:
    cause = "pod-security-rejected"
    made = Patient(openshift=False)
    made.add("daemonsets", "other", "ml", status={"desiredNumberScheduled": 3})
    made.one("namespaces", "ml")["metadata"]["labels"] = {}
    assert _note(made, cause)
    made.one("daemonsets", "other")["status"]["currentNumberScheduled"] = 3
    assert _one(made, cause) is None


def test_a_set_of_others_that_is_refused_its_pods_says_why() -> None:
    message = 'Pod "db-0" is invalid: privileged: Forbidden: disallowed by policy'
    made = Patient(openshift=False).event("db", message, kind="StatefulSet", reason="FailedCreate")
    assert _note(made, "privileged-disallowed-apiserver")
    other = Patient(openshift=False).event("db", message, kind="StatefulSet", reason="Unhealthy")
    assert _one(other, "privileged-disallowed-apiserver") is None


def test_an_api_server_is_started_without_leave_for_privileged_pods() -> None:
    def served(flag: str) -> Patient:
        container = {"name": "kube-apiserver", "image": "x:1", "command": ["kube-apiserver", flag]}
        made = Patient(openshift=False).pod("kube-apiserver-0", "ml", {"containers": [container]})
        return made.policy("notReady").without("driver")

    cause = "privileged-disallowed-apiserver"
    assert _one(served("--allow-privileged=false"), cause) is not None
    assert _one(served("--allow-privileged=true"), cause) is None


def test_a_builder_of_another_module_without_the_proxy_of_the_driver() -> None:
    def builder(*, told: bool) -> Patient:
        made = neighbour("mofed-ubuntu-1").policy("ready", driver={"env": _PROXY})
        if told:
            made.pod_of("mofed-ubuntu-1")["spec"]["containers"][0]["env"] = _PROXY
        return made

    assert _note(builder(told=False), "proxy-missing-driver")
    assert _one(builder(told=True), "proxy-missing-driver") is None
    other = neighbour("shop-1").policy("ready", driver={"env": _PROXY})
    assert _one(other, "proxy-missing-driver") is None


def test_an_operator_of_others_whose_proxy_gets_what_is_for_the_api_server() -> None:
    def operator(exceptions: str) -> Patient:
        made = neighbour("keycloak-operator-1")
        env = [*_PROXY, {"name": "NO_PROXY", "value": exceptions}]
        made.pod_of("keycloak-operator-1")["spec"]["containers"][0]["env"] = env
        return made

    assert _note(operator(".svc"), "no-proxy-missing-cluster-ip")
    assert _one(operator("172.30.0.0/16"), "no-proxy-missing-cluster-ip") is None


def creating(*parts: str) -> Patient:
    """A host with a proxy for everything, on which pods wait for their network."""
    made = Patient(openshift=False).file(_ENVIRONMENT, 'DefaultEnvironment="http_proxy=http://p:1"')
    for part in parts:
        made.pod_of(part)["status"] = {"phase": "Pending"}
    return made


def test_pods_wait_where_the_host_asks_its_proxy_for_everything() -> None:
    cause = "no-proxy-missing-cluster-ip"
    assert _one(creating("plugin", "gfd"), cause) is not None
    assert _one(creating("plugin"), cause) is None
    some = creating("plugin", "gfd").file(_ENVIRONMENT, "http_proxy=http://p:1 no_proxy=10.0.0.0/8")
    assert _one(some, cause) is None


def test_a_driver_fails_without_a_word_beside_a_name_service_that_fails() -> None:
    def silent(name: str) -> Patient:
        spec = {"containers": [{"name": "main", "image": "x:1"}], "nodeName": "worker-0"}
        return Patient(openshift=False).fails("driver").pod(name, "ml", spec).fails(name)

    found = _one(silent("coredns-1"), "dns-resolution-failed")
    assert found is not None
    assert found.confidence < SURE
    assert _one(silent("shop-1"), "dns-resolution-failed") is None
    said = silent("coredns-1").log("driver", "cc: out of memory")
    assert _one(said, "dns-resolution-failed") is None


def test_a_daemon_of_the_platform_that_asked_again_is_well() -> None:
    line = "failed to list: Get https://10.0.0.5:6443/apis: dial tcp 10.0.0.5:6443: connect: "
    space = "openshift-machine-config-operator"
    made = Patient().workload("mcd", space=space).log("mcd", f"{line}connection refused")
    assert made.diagnosis() == ()
    assert _one(made.fails("mcd"), "apiserver-unreachable") is not None


def test_a_subscription_calls_its_catalog_unhealthy_and_says_no_more() -> None:
    def subscribed(unhealthy: str) -> Patient:
        condition = {"type": "CatalogSourcesUnhealthy", "status": unhealthy}
        spec = {"name": "other", "source": "x", "sourceNamespace": "openshift-marketplace"}
        made = Patient().add("catalogsources", "x", "openshift-marketplace", spec={})
        return made.add(
            "subscriptions", "other", "ml", spec=spec, status={"conditions": [condition]}
        )

    assert _note(subscribed("True"), "olm-catalogsource-unhealthy")
    assert _one(subscribed("False"), "olm-catalogsource-unhealthy") is None


def asked(*tags: str) -> Patient:
    """Operands with images of one release, and a ClusterPolicy that asks for others."""
    made = Patient()
    parts = {"plugin": "devicePlugin", "exporter": "dcgmExporter", "dcgm": "dcgm"}
    for (part, field), tag in zip(parts.items(), tags, strict=True):
        made.policy("ready", **{field: {"image": part, "version": tag}})
        name = made.pod_of(part)["metadata"]["labels"]["app"]
        for one in (made.one("daemonsets", name)["spec"]["template"], made.pod_of(part)):
            one["spec"]["containers"][0]["image"] = f"nvcr.io/nvidia/{part}:v1.0.0"
    return made


def test_the_one_operand_that_is_not_what_the_policy_asks_for() -> None:
    cause = "operand-image-stale"
    assert _note(asked("v1.0.0", "v1.0.0", "v2.0.0"), cause)
    assert _one(asked("v1.0.0", "v1.0.0", "v1.0.0"), cause) is None
    assert _one(asked("v1.0.0", "v2.0.0", "v2.0.0"), cause) is None
    assert _one(asked("v1.0.0", "v1.0.0", "v0.9.0"), cause) is None
    assert _one(asked("v1.0.0", "v2.0.0", ""), cause) is None


def test_a_pod_that_is_well_and_older_than_the_image_of_its_set() -> None:
    def replaced(digest: str) -> Patient:
        made = Patient(openshift=False)
        images = "x/plugin@sha256:aa", f"x/plugin@sha256:{digest}"
        name = "nvidia-device-plugin-daemonset"
        objects = made.one("daemonsets", name)["spec"]["template"], made.pod_of("plugin")
        for one, image in zip(objects, images, strict=True):
            one["spec"]["containers"][0]["image"] = image
        return made

    assert _note(replaced("bb"), "operand-image-stale")
    assert _one(replaced("aa"), "operand-image-stale") is None


def test_a_label_of_a_kernel_of_before() -> None:
    label = "feature.node.kubernetes.io/kernel-version.full"
    assert _note(
        Patient(openshift=False).labels(**{label: "5.15.0-88-generic"}), "stale-node-state"
    )
    assert Patient(openshift=False).diagnosis() == ()


def test_old_cards_are_driven_by_drivers_of_their_time() -> None:
    def alone(kubelet: str) -> Patient:
        made = (
            Patient(openshift=False)
            .drop("clusterpolicies")
            .node(nodeInfo={"kubeletVersion": kubelet})
        )
        made.without("operator", "driver", "toolkit", "validator", "gfd", "dcgm", "exporter", "mig")
        return made.fails("plugin").lspci("102d")

    assert _one(alone("v1.9.2"), "gpu-too-old-for-driver") is None
    assert _one(alone("v1.27.5"), "gpu-too-old-for-driver") is not None


def test_a_label_tells_the_release_of_a_driver_that_the_host_has() -> None:
    def host(release: str) -> Patient:
        made = Patient(openshift=False).without("driver", "operator").drop("clusterpolicies")
        made.labels(**{"extensions.talos.dev/nonfree-kmod-nvidia-production": release})
        return made.fails("plugin").lspci("1b81")

    assert host("595.58.03-v1.13.6").diagnosis()[0].cause == "gpu-too-old-for-driver"
    assert _one(host("570.86.15-v1.9.0"), "gpu-too-old-for-driver") is None


def test_a_validation_that_cannot_load_a_module_of_the_host() -> None:
    line = "failed to load NVIDIA kernel modules: could not insert 'nvidia_modeset': No such device"
    made = Patient(openshift=False).policy(driver={"enabled": False}).without("driver")
    made.fails("validator", init="driver-validation")
    made.log("validator", line, container="driver-validation")
    assert made.diagnosis()[0].cause == "module-load-failed-generic"


def test_a_node_with_the_pci_label_alone_was_labelled_by_hand() -> None:
    line = "Couldn't get kernelVersion, did you run the node feature discovery?"
    made = Patient(openshift=False).policy("notReady").log("operator", line)
    assert _one(made, "nfd-labels-missing") is None
    labels = made.one("nodes", NODE)["metadata"]["labels"]
    for name in [n for n in labels if n.startswith("feature") and "pci-10de" not in n]:
        del labels[name]
    assert made.diagnosis()[0].cause == "nfd-labels-missing"


def test_labels_are_lacking_that_the_plugin_is_placed_by() -> None:
    label = "nvidia.com/gpu.deploy.device-plugin"

    def placed(*gone: str) -> Patient:
        made = Patient(openshift=False).labels(*gone).node(allocatable={"nvidia.com/gpu": "0"})
        made.without("plugin").workload("plugin")
        made.tables["pods"] = [p for p in made.tables["pods"] if "plugin" not in str(p["metadata"])]
        one = made.one("daemonsets", "nvidia-device-plugin-daemonset")
        one["spec"]["template"]["spec"]["nodeSelector"] = {label: "true"}
        one["status"] = {"desiredNumberScheduled": 0}
        return made

    assert _one(placed(label), "gpu-deploy-labels-wrong") is not None
    assert _one(placed(), "gpu-deploy-labels-wrong") is None
