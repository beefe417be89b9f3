"""Signs that stand in well clusters, too, and are no claim of a cause."""

import pytest

from oc_gpu.checks.catalogue import SURE
from oc_gpu.checks.model import Finding, Severity
from tests.checks.patient import NODE, Patient

_PROXY = [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}]


def _claims(made: Patient) -> list[Finding]:
    return [
        one
        for one in made.diagnosis()
        if one.severity is Severity.ERROR and one.cause and one.confidence >= SURE
    ]


def beside(*names: str) -> Patient:
    """A healthy stack beside programs of others that fail without a word."""
    made = Patient(openshift=False)
    for name in names:
        spec = {"containers": [{"name": "main", "image": f"x/{name}:1"}], "nodeName": NODE}
        made.pod(name, "ml", spec).fails(name)
    return made


@pytest.mark.parametrize(
    "line",
    [
        "e1000e: probe of 0000:00:1f.6 failed with error -22",
        "DMAR: No IOMMU found",
        "pci 0000:3b:00.0: BAR 6: no space for [mem size 0x00080000 pref]",
        "Lockdown: modprobe: unsigned module loading is restricted",
    ],
)
def test_what_kernels_of_well_machines_say(line: str) -> None:
    assert Patient(openshift=False).dmesg(line).diagnosis() == ()


@pytest.mark.parametrize("name", ["etc/dnf/dnf.conf", "etc/environment"])
def test_a_proxy_of_the_host_that_no_runtime_reads(name: str) -> None:
    made = beside("shop-1", "shop-2").file(name, "https_proxy=http://p:3128", "proxy=http://p:3128")
    assert _claims(made) == []


@pytest.mark.parametrize("exceptions", ["*", "fd02::/112,.svc", "localhost, 172.30.0.0/16"])
def test_exceptions_that_hold_the_cluster(exceptions: str) -> None:
    made = Patient(openshift=False).fails("gfd")
    env = [*_PROXY, {"name": "NO_PROXY", "value": exceptions}]
    made.pod_of("gfd")["spec"]["containers"][0]["env"] = env
    assert all(one.cause != "no-proxy-missing-cluster-ip" for one in made.diagnosis())


def test_a_mirror_of_the_same_image() -> None:
    made = Patient(openshift=False)
    name = "nvidia-device-plugin-daemonset"
    template = made.one("daemonsets", name)["spec"]["template"]
    for one, registry in ((template, "nvcr.io"), (made.pod_of("plugin"), "mirror.example.com")):
        one["spec"]["containers"][0]["image"] = f"{registry}/nvidia/plugin@sha256:aa"
    assert made.diagnosis() == ()


def test_a_configuration_of_the_plugin_that_nobody_uses() -> None:
    text = "version: v1\nflags:\n  renameByDefault: true\nsharing:\n  timeSlicing: {}\n"
    made = Patient(openshift=False).add("configmaps", "draft", "ml", data={"any": text})
    assert _claims(made) == []


def test_a_subscription_of_others_where_no_stack_is() -> None:
    condition = {"type": "CatalogSourcesUnhealthy", "status": "True"}
    spec = {"name": "quay", "source": "x", "sourceNamespace": "openshift-marketplace"}
    made = Patient().drop("pods").drop("daemonsets").drop("deployments").drop("clusterpolicies")
    made.add("catalogsources", "x", "openshift-marketplace", spec={})
    made.add("subscriptions", "quay", "ml", spec=spec, status={"conditions": [condition]})
    assert all(one.cause != "olm-catalogsource-unhealthy" for one in _claims(made))


def test_an_scc_of_a_newer_release() -> None:
    made = Patient().fails("nfd-master")
    made.pod_of("nfd-master")["metadata"]["annotations"] = {"openshift.io/scc": "restricted-v3"}
    assert made.diagnosis()[0].cause == "nfd-master-failing"


def test_a_driver_of_storage_builds_no_modules() -> None:
    made = beside("aws-ebs-csi-driver-node")
    made.add("proxies", "cluster", spec={"httpsProxy": "http://p:3128"})
    assert all(one.cause != "proxy-missing-driver" for one in made.diagnosis())


def test_a_fabric_that_went_on_is_well() -> None:
    log = "nvidia-fabricmanager.log"
    misfit = "fabric manager interface version 525 don't match with driver version 530"
    well = "Successfully configured all the available GPUs and NVSwitches"
    made = Patient(openshift=False).fails("exporter").file(log, misfit, well)
    assert all(one.cause != "fabric-manager-not-running" for one in made.diagnosis())
    sweeps = beside("train-1").lspci("2901", "nvidia").file("nvlsm.log", "sweep 12 done, no errors")
    assert _claims(sweeps) == []


def test_a_pod_that_has_just_been_made_is_not_an_old_one() -> None:
    made = Patient(openshift=False).waits("toolkit", minutes=1)
    name = "nvidia-container-toolkit-daemonset"
    template = made.one("daemonsets", name)["spec"]["template"]["spec"]
    template["containers"] = [{"name": "nvidia-container-toolkit-ctr", "image": "x/toolkit:v2.0"}]
    for one in made.pod_of("toolkit")["spec"]["containers"]:
        one["image"] = "x/toolkit:v1.0"
    assert _claims(made) == []


def test_a_warning_about_pod_security_refuses_nothing() -> None:
    line = 'would violate PodSecurity "restricted:latest": host namespaces (hostPID=true)'
    made = Patient(openshift=False).fails("exporter").log("operator", line)
    assert all(one.cause != "pod-security-rejected" for one in made.diagnosis())


def test_a_module_of_the_driver_that_its_installer_cannot_load() -> None:
    line = "ERROR: Unable to load the 'nvidia-drm' kernel module."
    made = Patient(openshift=False).fails("driver").log("driver", line)
    assert made.diagnosis()[0].cause == "module-load-failed-generic"
    other = line.replace("nvidia-drm", "vfio-pci")
    told = made.log("driver", other).diagnosis()
    assert all(one.cause != "module-load-failed-generic" for one in told)


def test_a_module_that_the_driver_needs_beside_its_own() -> None:
    line = "modprobe: ERROR: could not insert 'ipmi_msghandler': Invalid argument"
    made = Patient(openshift=False).fails("driver").log("driver", line)
    assert made.diagnosis()[0].cause == "module-load-failed-generic"
    well = Patient(openshift=False).fails("exporter").log("driver", line)
    assert all(one.confidence < SURE for one in well.diagnosis() if one.cause)
