"""What hosts and nodes still carry, or say in files of their own."""

from oc_gpu.checks.model import Finding, Severity
from tests.checks.patient import NODE, Patient

_DEPLOY = "nvidia.com/gpu.deploy.driver"
_PCI = "feature.node.kubernetes.io/pci-10de.present"
_STACK = ("operator", "driver", "toolkit", "plugin", "gfd", "dcgm", "exporter", "mig", "validator")
_NFD = ("nfd-worker", "nfd-master", "nfd-operator")
_KEPLER, _TURING = "102d", "1eb8"


def _one(made: Patient, cause: str) -> Finding | None:
    return next((one for one in made.diagnosis() if one.cause == cause), None)


def kubernetes() -> Patient:
    """A cluster without OpenShift, with a driver that fails and says nothing."""
    return Patient(openshift=False).fails("driver")


def test_a_host_has_a_proxy_of_which_its_driver_is_not_told() -> None:
    cause = "proxy-missing-driver"
    unit = "etc/systemd/system/docker.service.d/http-proxy.conf"
    env = 'Environment="HTTPS_PROXY=http://proxy.example.com:8080"'
    assert _one(kubernetes().file(unit, "[Service]", env), cause) is not None
    apt = 'Acquire::HTTP::Proxy "http://10.0.0.5:8080";'
    assert _one(kubernetes().file("etc/apt/apt.conf.d/01proxy", apt), cause) is not None
    assert _one(kubernetes().file(unit, "# HTTPS_PROXY=http://proxy"), cause) is None
    told = kubernetes().file(unit, env)
    told.pod_of("driver")["spec"]["containers"][0]["env"] = [{"name": "HTTPS_PROXY", "value": "x"}]
    assert _one(told, cause) is None


def test_a_driver_that_says_nothing_where_a_site_signs_for_itself() -> None:
    cause = "trusted-ca-missing"
    signs = Patient().fails("driver").add("proxies", "cluster", spec={"trustedCA": {"name": "ca"}})
    found = _one(signs, cause)
    assert found is not None
    assert found.title.startswith("perhaps ")
    assert _one(signs.log("driver", "error: no space left"), cause) is None
    assert _one(Patient().fails("driver"), cause) is None
    own = Patient(openshift=False).fails("driver").policy(driver={"certConfig": {"name": "ca"}})
    assert _one(own, cause) is not None


def test_a_pull_fails_for_a_certificate_that_an_event_names_alone() -> None:
    cause, said = "registry-ca-untrusted", "x509: certificate signed by unknown authority"
    made = Patient(openshift=False).fails("gfd", "ImagePullBackOff").event("gfd", said)
    assert _one(made, cause) is not None
    assert _one(Patient(openshift=False).fails("gfd").event("gfd", said), cause) is None


def test_old_cards_that_nothing_holds_want_an_old_driver() -> None:
    cause = "gpu-too-old-for-driver"

    def alone(device: str, driver: str = "") -> Patient:
        made = Patient(openshift=False).drop("clusterpolicies")
        made.without(*(part for part in _STACK if part != "plugin"))
        return made.fails("plugin").lspci(device, driver)

    assert alone(_KEPLER).diagnosis()[0].cause == cause
    assert _one(alone(_TURING), cause) is None
    assert _one(alone(_KEPLER, "nvidia"), cause) is None


def test_a_kernel_tells_of_an_ignored_card_over_two_lines() -> None:
    made = Patient(openshift=False).fails("plugin")
    made.dmesg("NVRM:  information.  The 535.129.03 NVIDIA driver will ignore")
    assert made.diagnosis()[0].cause == "gpu-too-old-for-driver"


def precompiled(kernel: str) -> Patient:
    """A driver that fails, of an image for a kernel."""
    made = Patient(openshift=False).fails("driver")
    image = f"nvcr.io/nvidia/driver:570.172.08-{kernel}-ubuntu22.04"
    made.pod_of("driver")["spec"]["containers"][0]["image"] = image
    template = made.one("daemonsets", "nvidia-driver-daemonset")["spec"]["template"]["spec"]
    template["containers"][0]["image"] = image
    return made


def test_a_precompiled_driver_is_for_the_kernel_of_before() -> None:
    assert _one(precompiled("5.15.0-113-generic"), "operand-image-stale") is None
    assert _one(precompiled("5.15.0-91-generic"), "operand-image-stale") is not None


def test_a_mark_of_a_driver_of_the_host_is_left_where_nothing_holds_the_card() -> None:
    made = Patient(openshift=False).labels(**{_DEPLOY: "pre-installed"}).without("driver")
    made.fails("validator", init="driver-validation").lspci(_TURING)
    assert made.diagnosis()[0].cause == "stale-node-state"
    held = made.lspci(_TURING, "nvidia").diagnosis()
    assert all(one.cause != "stale-node-state" for one in held)


def test_labels_are_left_where_nothing_is_installed() -> None:
    made = Patient(openshift=False).without(*_STACK, *_NFD)
    made.drop("clusterpolicies").drop("nodefeaturediscoveries").pod("web", "ml", {"containers": []})
    found = _one(made, "stale-node-state")
    assert found is not None
    assert found.severity is Severity.WARNING
    bare = made.labels(_DEPLOY, "nvidia.com/gpu.deploy.device-plugin")
    assert _one(bare, "stale-node-state") is None


def misplaced(*, chosen: bool) -> Patient:
    """A plugin that fails on a node on which NFD saw no card, chosen by a label or not."""
    made = Patient(openshift=False)
    spec = {
        "containers": [{"name": "nvidia-device-plugin", "image": "x/k8s-device-plugin:v0.17.0"}],
        "nodeName": "worker-0",
        "nodeSelector": {"example.com/gpu": "true"} if chosen else {},
    }
    made.pod("nvidia-device-plugin-2", "ml", spec, owner="nvidia-device-plugin")
    return made.fails("nvidia-device-plugin-2")


def test_a_plugin_that_a_label_put_on_a_node_without_a_card() -> None:
    assert _one(misplaced(chosen=True), "stale-node-state") is not None
    assert _one(misplaced(chosen=False), "stale-node-state") is None


def test_a_node_that_offers_gpus_and_shows_none_on_its_bus() -> None:
    made = Patient(openshift=False).labels(_PCI).file("lspci", "00:00.0 0600: 8086:1237")
    template = made.one("daemonsets", "gpu-feature-discovery")["spec"]["template"]["spec"]
    template["nodeSelector"] = {_PCI: "true"}
    made.labels(**{"nvidia.com/gpu.present": "false"})
    made.one("nodes", "worker-0")["metadata"]["labels"][_PCI] = "true"
    found = _one(made, "nfd-labels-missing")
    assert found is not None
    assert found.severity is Severity.WARNING
    template["nodeSelector"] = {}
    assert _one(made, "nfd-labels-missing") is None


def configured(imports: str) -> Patient:
    """A node whose containerd knows no runtime of NVIDIA's, beside a toolkit that is ready."""
    made = Patient(openshift=False).fails("plugin")
    lines = f"imports = [{imports}]", 'default_runtime_name = "runc"'
    return made.file("etc/containerd/config.toml", *lines)


def test_a_configuration_that_takes_in_only_itself_has_the_runtime_nowhere() -> None:
    cause = "containerd-config-overwritten"
    assert _one(configured('"/etc/containerd/config.toml"'), cause) is not None
    assert _one(configured('"/etc/containerd/conf.d/*.toml"'), cause) is None


def test_an_scc_that_lets_an_image_run_as_root_that_must_not() -> None:
    cause, said = "scc-wrong-selected", "container has runAsNonRoot and image will run as root"

    def refused(scc: str) -> Patient:
        made = Patient().fails("operator", "CreateContainerConfigError", message=said)
        made.pod_of("operator")["metadata"]["annotations"] = {"openshift.io/scc": scc}
        return made

    assert _one(refused("anyuid"), cause) is not None
    assert _one(refused("restricted-v2"), cause) is None


def updating(current: str, desired: str) -> Patient:
    """A pool under way since long, of which one rendered configuration is in the bundle."""
    made = Patient().rolls(minutes=900).add("machineconfigs", "rendered-worker-2", spec={})
    note = "machineconfiguration.openshift.io/"
    notes = {f"{note}currentConfig": current, f"{note}desiredConfig": desired}
    notes[f"{note}state"] = "Working"
    made.one("nodes", NODE)["metadata"]["annotations"] = notes
    return made


def test_what_a_node_had_before_may_be_missing_what_it_is_to_have_not() -> None:
    first = updating("rendered-worker-1", "rendered-worker-2").diagnosis()[0]
    assert first.cause == "mcp-stuck-updating"
    degraded = updating("rendered-worker-2", "rendered-worker-3")
    note = "machineconfiguration.openshift.io/reason"
    annotations = degraded.one("nodes", NODE)["metadata"]["annotations"]
    annotations[note] = 'missing MachineConfig "rendered-worker-3"'
    assert degraded.diagnosis()[0].cause == "mcp-rendered-config-missing"


def test_a_system_that_cannot_be_updated_is_no_matter_of_a_machine_configs_content() -> None:
    made = updating("rendered-worker-2", "rendered-worker-2")
    pool = made.one("machineconfigpools", "worker")
    pool["status"]["conditions"] = [{"type": "Degraded", "status": "True"}]
    notes = made.one("nodes", NODE)["metadata"]["annotations"]
    reason = "failed to update OS to quay.io/x@sha256:1 : error: No enabled repositories"
    notes["machineconfiguration.openshift.io/reason"] = reason
    assert made.diagnosis()[0].cause == "mcp-degraded-other"


def test_workers_that_are_not_made_are_no_missing_instance() -> None:
    made = Patient(openshift=False).drop("nodefeaturediscoveries").without("nfd-worker")
    for node in made.tables["nodes"]:
        labels = node["metadata"]["labels"]
        node["metadata"]["labels"] = {k: v for k, v in labels.items() if "feature" not in k}
    made.drop("namespaces").workload("nfd-worker", space="openshift-nfd")
    made.one("daemonsets", "nfd-worker")["status"] = {"desiredNumberScheduled": 3}
    made.tables["pods"] = [p for p in made.tables["pods"] if "worker" not in p["metadata"]["name"]]
    assert made.diagnosis()[0].cause == "pod-security-rejected"


def started(config: str) -> Patient:
    """A toolkit that wrote one configuration, beside a containerd that was started with another."""
    said = 'failed to get sandbox runtime: no runtime for "nvidia" is configured'
    made = Patient(openshift=False).fails("plugin", "CreateContainerError", message=said)
    env = [{"name": "CONTAINERD_CONFIG", "value": "/etc/containerd/config.toml"}]
    name = "nvidia-container-toolkit-daemonset"
    made.one("daemonsets", name)["spec"]["template"]["spec"]["containers"][0]["env"] = env
    return made.file(
        "sos_commands/process/ps_auxwww", f"/bin/containerd --config {config} --root /r"
    )


def test_a_containerd_was_started_with_another_configuration() -> None:
    cause = "toolkit-wrong-containerd-config"
    assert started("/var/snap/x/args/containerd.toml").diagnosis()[0].cause == cause
    assert _one(started("/etc/containerd/config.toml"), cause) is None


def test_an_operator_that_waits_for_a_pool_does_not_call_it_degraded() -> None:
    def waits(message: str) -> Patient:
        made = Patient().rolls(minutes=900)
        condition = {"type": "Degraded", "status": "True", "message": message}
        return made.add("clusteroperators", "machine-config", status={"conditions": [condition]})

    told = (
        "timed out during syncRequiredMachineConfigPools: error pool worker is not ready, retrying"
    )
    assert waits(told).diagnosis()[0].cause == "mcp-stuck-updating"
    assert waits("cannot apply what is asked for").diagnosis()[0].cause == "mcp-degraded-other"
