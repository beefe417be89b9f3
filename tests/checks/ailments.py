"""One way, at least, in which each cause shows itself: state in, for the doctor to name.

The lines are what the programs print, with names and numbers of no report.
"""

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.checks.indirect import INDIRECT
from tests.checks.otherwise import MORE
from tests.checks.patient import BUILD, NODE, OSTREE, SETS, SPACE, Patient
from tests.checks.sayings import SAYINGS
from tests.checks.unsaid import UNSAID

Make = Callable[[], Patient]
PCI = "feature.node.kubernetes.io/pci-10de.present"
_MCO = "machineconfiguration.openshift.io/"


def _driver(*lines: str, openshift: bool = True, operator: str = "v24.9.2") -> Patient:
    return Patient(openshift=openshift, operator=operator).fails("driver").log("driver", *lines)


def _k8s() -> Patient:
    return Patient(openshift=False)


def _pull(message: str, part: str = "toolkit") -> Patient:
    return Patient().fails(part, "ImagePullBackOff").event(part, message)


def pool(reason: str = "", **status: Any) -> Patient:
    made = Patient()
    pool = made.one("machineconfigpools", "worker")["status"]
    pool["conditions"] = [
        {"type": "Degraded", "status": "True"},
        {"type": "NodeDegraded", "status": "True", "message": reason},
    ]
    pool |= status
    return made


def subscription(name: str = "gpu-operator-certified", **status: Any) -> Patient:
    made = Patient().drop("clusterpolicies")
    made.add("catalogsources", "certified-operators", "openshift-marketplace", spec={})
    made.add("operatorgroups", "og", SPACE, spec={})
    spec = {
        "name": name,
        "source": "certified-operators",
        "sourceNamespace": "openshift-marketplace",
    }
    return made.add("subscriptions", name, SPACE, spec=spec, status=status)


def _not_heard() -> Patient:
    made = Patient()
    ready = {
        "type": "Ready",
        "status": "Unknown",
        "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
        "lastTransitionTime": "2024-11-05T08:00:00Z",
    }
    made.one("nodes", NODE)["status"]["conditions"] = [ready]
    made.now = datetime(2024, 11, 5, 8, 6, tzinfo=UTC).timestamp()
    return made


def silent_in_pool(updated: int) -> Patient:
    """Return a cluster with a silent node without cards, in a pool of which so many are updated."""
    made = _not_heard()
    node = copy.deepcopy(made.one("nodes", NODE))
    made.one("nodes", NODE)["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    labels = {"pool": "bare", "feature.node.kubernetes.io/cpu-cpuid.AVX": "true"}
    node["metadata"] |= {"name": "lost", "labels": labels}
    node["status"] = {"conditions": node["status"]["conditions"]}
    made.tables["nodes"].append(node)
    spec = {"nodeSelector": {"matchLabels": {"pool": "bare"}}}
    status = {"machineCount": 2, "updatedMachineCount": updated}
    return made.add("machineconfigpools", "bare", spec=spec, status=status)


def _not_looked_up() -> Patient:
    failed = {"type": "BundleLookupFailed", "status": "True", "reason": "DeadlineExceeded"}
    status = {"phase": "Failed", "bundleLookups": [{"conditions": [failed]}]}
    return subscription().add("installplans", "install-1", SPACE, spec={}, status=status)


def _unresolved(message: str) -> Patient:
    failed = {"type": "ResolutionFailed", "status": "True", "message": message}
    return subscription(conditions=[failed])


def _unlabelled(made: Patient) -> Patient:
    labels = made.one("nodes", NODE)["metadata"]["labels"]
    for name in [n for n in labels if "node-role" not in n]:
        del labels[name]
    for part in ("capacity", "allocatable"):
        made.one("nodes", NODE)["status"][part].pop("nvidia.com/gpu", None)
    made.tables["pods"] = [
        p
        for p in made.tables["pods"]
        if p["spec"].get("nodeName") != NODE or "operator" in p["metadata"]["name"]
    ]
    return made


def _worker(**spec: Any) -> Patient:
    made = Patient(openshift=False)
    gpu = {"limits": {"nvidia.com/gpu": "1"}}
    container = {"name": "app", "image": "cuda:12", "resources": gpu}
    body = {"containers": [container], "nodeName": NODE, **spec}
    return made.pod("train-0", "ml", body)


def _given_up() -> Patient:
    """A node that the upgrade controller gave up: a pod without a controller holds its GPU."""
    made = Patient()
    gpu = {"limits": {"nvidia.com/gpu": "1"}}
    container = {"name": "app", "image": "cuda:12", "resources": gpu}
    made.pod("notebook", "ml", {"containers": [container], "nodeName": NODE})
    made.one("nodes", NODE)["spec"]["unschedulable"] = True
    return made.labels(**{"nvidia.com/gpu-driver-upgrade-state": "upgrade-failed"})


def _containerd(made: Patient, kubelet: str = "v1.29.7") -> Patient:
    info = {**made.one("nodes", NODE)["status"]["nodeInfo"], "kubeletVersion": kubelet}
    return made.node(nodeInfo=info)


def _no_nfd() -> Patient:
    made = Patient().without("nfd-worker", "nfd-master", "nfd-operator")
    made.drop("nodefeaturediscoveries")
    for node in made.tables["nodes"]:
        labels = node["metadata"]["labels"]
        for name in [n for n in labels if n.startswith(("feature.", "nvidia."))]:
            del labels[name]
        node["status"]["allocatable"].pop("nvidia.com/gpu", None)
        node["status"]["capacity"].pop("nvidia.com/gpu", None)
    return made


def _no_instance() -> Patient:
    made = _no_nfd()
    return made.workload("nfd-operator", space="openshift-nfd", kind="deployments")


def _no_card() -> Patient:
    made = _unlabelled(Patient()).file("lspci", "00:00.0 0600: 8086:1237")
    made.labels(**{"feature.node.kubernetes.io/cpu-model.vendor_id": "Intel"})
    return made.workload("nfd-worker", space="openshift-nfd")


def _by_role() -> Patient:
    made = _unlabelled(Patient())
    made.labels("node-role.kubernetes.io/worker", **{"node-role.kubernetes.io/control-plane": ""})
    return made


def _config_map(name: str, text: str) -> Patient:
    made = Patient()
    return made.add("configmaps", name, SPACE, data={"any": text})


_SHARING = "version: v1\nsharing:\n  timeSlicing:\n    resources:\n    - replicas: 4\n"


def _passed_over() -> Patient:
    """Let a DaemonSet ask for another form of the PCI label than NFD gives."""
    made = Patient(openshift=False).without("plugin", "exporter", "validator").policy("ready")
    made.labels(PCI, **{"feature.node.kubernetes.io/pci-0302_10de.present": "true"})
    driver = made.one("daemonsets", "nvidia-driver-daemonset")
    driver["spec"]["template"]["spec"]["nodeSelector"] = {PCI: "true"}
    driver["status"] = {"desiredNumberScheduled": 0}
    return made


def _restarted(**counts: int) -> Patient:
    """Let operands run that were restarted so often."""
    made = Patient(openshift=False)
    for part, count in counts.items():
        made.pod_of(part)["status"]["containerStatuses"][0]["restartCount"] = count
    return made


def _deprived(part: str) -> Patient:
    """Let a DaemonSet want a pod on the GPU node and get none."""
    made = Patient()
    name = {"driver": "nvidia-driver-daemonset", "plugin": "nvidia-device-plugin-daemonset"}[part]
    made.tables["pods"] = [p for p in made.tables["pods"] if name not in p["metadata"]["name"]]
    counts = {"desiredNumberScheduled": 1, "currentNumberScheduled": 0, "numberReady": 0}
    made.one("daemonsets", name)["status"] = counts
    return made


def _untolerated() -> Patient:
    made = _deprived("driver").taint("team", "ml")
    made.one("daemonsets", "nvidia-driver-daemonset")["status"]["desiredNumberScheduled"] = 0
    for part in ("spec",):
        tolerated = [{"operator": "Exists"}]
        for item in made.tables["daemonsets"]:
            if "driver" not in item["metadata"]["name"]:
                item[part]["template"]["spec"]["tolerations"] = tolerated
    return made


def _scheduler() -> Patient:
    made = Patient().pending("validator", "0/3 nodes are available: 3 didn't match node selector.")
    made.drop("namespaces").add("namespaces", SPACE)
    return made.add("schedulers", "cluster", spec={"defaultNodeSelector": "type=app"})


def _sandbox(device: str = "2236") -> Patient:
    made = Patient().workload("sandbox").workload("vfio").policy(sandboxWorkloads={"enabled": True})
    return made.lspci(device).file("proc_cmdline", "root=/dev/sda rw intel_iommu=on")


def _two_exporters() -> Patient:
    made = Patient().fails("exporter")
    spec = {
        "containers": [{"name": "dcgm-exporter", "image": "nvidia/dcgm-exporter:3"}],
        "nodeName": NODE,
    }
    return made.pod("dcgm-exporter-x", "monitoring", spec, owner="dcgm-exporter")


_PROFILING = (
    "Error watching fields: The third-party Profiling module returned an unrecoverable error"
)


def _files(name: str, path: str) -> Patient:
    file = {"path": path, "contents": {"source": "data:,"}}
    config = {"config": {"storage": {"files": [file]}}}
    return _driver(
        "Error: Unable to find a match: kernel-headers-4.18.0-193.el8", operator="v1.7.1"
    ).add("machineconfigs", name, spec=config)


def _bare() -> Patient:
    """Return a cluster on which nothing of the GPU stack is installed yet."""
    return Patient().without("operator", *SETS).drop("clusterpolicies")


def tried_entitlement(made: Patient) -> Patient:
    """Let a pod look in vain for the packages of the kernel with an entitlement that it mounts."""
    name = "entitled-build-pod"
    mount = {"name": "entitlement", "mountPath": "/etc/pki/entitlement"}
    container = {"name": "dnf", "image": "registry.access.redhat.com/ubi8", "volumeMounts": [mount]}
    made.pod(name, "default", {"containers": [container], "nodeName": NODE})
    return made.log(name, "This system is not registered.", "No matches found")


def _old(made: Patient) -> Patient:
    created = {"creationTimestamp": "2026-02-02T00:00:00Z"}
    made.pod_of("driver")["metadata"] |= created
    return made


def _scc() -> Patient:
    made = Patient().fails("driver")
    made.pod_of("driver")["metadata"]["annotations"] = {"openshift.io/scc": "vendor-scc"}
    return made


def _labelled_devices() -> Patient:
    line = "crw-rw-rw-. 1 root root system_u:object_r:device_t:s0 195, 0 nvidia0"
    return Patient().fails("plugin").file("sos_commands/block/ls_-lanRZ_.dev", line)


def _draining() -> Patient:
    made = Patient()
    node = made.one("nodes", NODE)
    node["spec"]["unschedulable"] = True
    node["metadata"]["annotations"] = {f"{_MCO}state": "Working"}
    status = {"disruptionsAllowed": 0, "expectedPods": 1}
    return made.add("poddisruptionbudgets", "db", "ml", status=status)


def _paused() -> Patient:
    made = _updating()
    made.one("machineconfigpools", "worker")["spec"]["paused"] = True
    return made


def _updating() -> Patient:
    made = Patient()
    pool = made.one("machineconfigpools", "worker")
    pool["status"]["updatedMachineCount"] = 0
    pool["status"]["conditions"] = [
        {"type": "Updating", "status": "True"},
        {"type": "Updated", "status": "False"},
    ]
    return made


def _catalog() -> Patient:
    made = subscription()
    state = {"connectionState": {"lastObservedState": "TRANSIENT_FAILURE"}}
    made.one("catalogsources", "certified-operators")["status"] = state
    return made


def _requirements() -> Patient:
    missing = {"kind": "ServiceAccount", "name": "a", "status": "NotPresent"}
    status = {"phase": "Pending", "reason": "RequirementsNotMet", "requirementStatus": [missing]}
    return Patient().add("csvs", "a.v1", SPACE, status=status)


def given_up() -> Patient:
    """Return a cluster with an InstallPlan that OLM will not try again."""
    spec = {"clusterServiceVersionNames": ["a.v1"], "approved": True}
    status = {"phase": "Failed", "message": "Unable to find GVK in discovery: example.com v1 A"}
    return _requirements().add("installplans", "install-a", SPACE, spec=spec, status=status)


def _twice() -> Patient:
    made = Patient()
    spec = {"template": {"spec": {"containers": [{"name": "worker", "image": "nfd:1"}]}}}
    status = {"desiredNumberScheduled": 1, "numberReady": 1}
    name = "gpu-operator-node-feature-discovery-worker"
    return made.add("daemonsets", name, "other", spec=spec, status=status)


def _pinned() -> Patient:
    made = Patient().fails("nfd-worker")
    image = "registry.example.com/openshift4/ose-node-feature-discovery:v4.12"
    made.one("nodefeaturediscoveries", "nfd-instance")["spec"] = {"operand": {"image": image}}
    return made


def _untagged() -> Patient:
    made = Patient().fails("driver")
    tags = {"tags": [{"tag": "416.94.202401010000-0"}]}
    made.one("imagestreams", "driver-toolkit")["status"] = tags
    assert BUILD not in str(tags)
    return made


def _old_suffix() -> Patient:
    made = Patient().policy().fails("validator", init="driver-validation")
    spec = made.one("daemonsets", "nvidia-driver-daemonset")["spec"]["template"]["spec"]
    spec["containers"].append({"name": "nvidia-fs-ctr", "image": "a/nvidia-fs:2-rhcos4.12"})
    return made


def _variant() -> Patient:
    made = _driver("gzip: vmlinuz: not in gzip format", "Cannot find vmlinux").lspci("1eb8")
    info = made.one("nodes", NODE)["status"]["nodeInfo"]
    kernel = "5.14.0-427.33.1.el9_4.aarch64+64k"
    made.labels(**{"feature.node.kubernetes.io/kernel-version.full": kernel})
    return made.node(nodeInfo={**info, "kernelVersion": kernel})


def _fresh() -> Patient:
    """Return a cluster on which the operator's driver never ran."""
    made = _k8s().labels("nvidia.com/gpu.product")
    for part in ("capacity", "allocatable"):
        made.one("nodes", NODE)["status"][part].pop("nvidia.com/gpu")
    return made


_LSMOD = "sos_commands/kernel/lsmod"


def _system(image: str, made: Patient) -> Patient:
    info = made.one("nodes", NODE)["status"]["nodeInfo"]
    return made.node(nodeInfo={**info, "osImage": image})


def _proxied(*lines: str) -> Patient:
    made = _driver(*lines)
    env = [
        {"name": "HTTPS_PROXY", "value": "http://10.0.0.5:3128"},
        {"name": "NO_PROXY", "value": ".example.com"},
    ]
    made.pod_of("driver")["spec"]["containers"][0]["env"] = env
    return made


def _silent() -> Patient:
    ready = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}
    return Patient().node(conditions=[ready])


AILMENTS: dict[str, tuple[Make, ...]] = {
    "node-not-ready": (_not_heard, lambda: silent_in_pool(updated=1)),
    "webhook-denied": (
        lambda: (
            Patient()
            .fails("driver")
            .event(
                "driver",
                'Error creating: admission webhook "validate.kyverno.svc-fail" denied the '
                "request: privileged containers are forbidden",
            )
        ),
    ),
    # access
    "pod-security-rejected": (
        lambda: _deprived("driver").event(
            "nvidia-driver-daemonset",
            'Error creating: pods "x" is forbidden: violates PodSecurity "baseline:latest": '
            "privileged",
            kind="DaemonSet",
            reason="FailedCreate",
        ),
    ),
    "quota-priorityclass": (
        lambda: _deprived("driver").event(
            "nvidia-driver-daemonset",
            "Error creating: insufficient quota to match these scopes: [{PriorityClass In [x]}]",
            kind="DaemonSet",
            reason="FailedCreate",
        ),
    ),
    "scc-rejected": (
        lambda: _deprived("plugin").event(
            "nvidia-device-plugin-daemonset",
            "pods is forbidden: unable to validate against any security context constraint: []",
            kind="DaemonSet",
            reason="FailedCreate",
        ),
    ),
    "scc-wrong-selected": (_scc,),
    "selinux-denied": (
        lambda: (
            Patient()
            .fails("plugin")
            .dmesg('audit: type=1400 avc:  denied  { read } for comm="nvidia-device-p"')
        ),
        _labelled_devices,
    ),
    "rbac-missing-permission": (
        lambda: (
            Patient()
            .fails("operator")
            .log(
                "operator",
                'nodes is forbidden: User "system:serviceaccount:gpu:gpu-operator" cannot list '
                "resource",
            )
        ),
    ),
    "privileged-disallowed-apiserver": (
        lambda: _deprived("driver").event(
            "nvidia-driver-daemonset",
            "spec.containers[0].securityContext.privileged: Forbidden: disallowed by cluster "
            "policy",
            kind="DaemonSet",
        ),
    ),
    "operator-wrong-namespace": (
        lambda: (
            Patient()
            .policy()
            .log("operator", "cross-namespace owner references are disallowed, owner's namespace a")
        ),
    ),
    "leader-election-lost-apiserver": (
        lambda: (
            Patient()
            .fails("operator")
            .log(
                "operator", "failed to renew lease gpu/53822513: timed out", "leader election lost"
            )
        ),
    ),
    "operator-oomkilled": (lambda: Patient().fails("operator", reason="OOMKilled"),),
    "pod-network-broken": (
        lambda: (
            Patient()
            .fails("validator", "ContainerCreating")
            .event("validator", "failed to setup network for sandbox: cni plugin not initialized")
        ),
    ),
    "apiserver-unreachable": (
        lambda: (
            Patient()
            .fails("operator")
            .log("operator", "Get https://172.30.0.1:443/api: dial tcp 172.30.0.1:443: i/o timeout")
        ),
    ),
    "webhook-unreachable": (
        lambda: (
            Patient()
            .policy()
            .log("operator", 'Internal error occurred: failed calling webhook "a.example.com"')
        ),
    ),
    "unsupported-version-matrix": (
        lambda: (
            Patient(openshift=False)
            .fails("operator")
            .log("operator", 'no matches for kind "PodSecurityPolicy" in version "policy/v1beta1"')
        ),
        lambda: (
            Patient(openshift=False)
            .fails("operator")
            .log("operator", r'{"error":"no matches for kind \"PodSecurityPolicy\" in version 1"}')
        ),
    ),
    "unsupported-runtime-os": (
        lambda: _k8s().fails("toolkit").log("toolkit", "unsupported container runtime on this OS"),
        lambda: (
            _k8s()
            .fails("plugin", "RunContainerError")
            .event(
                "plugin",
                "running hook: exit status 1, stderr: nvidia-container-cli: /lib64/libc.so.6: "
                "version `GLIBC_2.27' not found (required by libnvidia-container.so.1)",
            )
        ),
        lambda: (
            _system("CentOS Linux 7 (Core)", Patient(openshift=False, operator="v24.6.2"))
            .policy()
            .fails("validator", "CreateContainerError", init="toolkit-validation")
        ),
    ),
    # network
    "dns-resolution-failed": (
        lambda: _driver("curl: (6) Could not resolve host: cdn.example.com"),
        lambda: _driver("Temporary failure resolving 'archive.ubuntu.com'", openshift=False),
    ),
    "proxy-missing-driver": (
        lambda: _driver("Connection timed out", operator="v1.5.2").add(
            "proxies", "cluster", spec={"httpsProxy": "http://10.0.0.5:3128"}
        ),
    ),
    "no-proxy-missing-cluster-ip": (
        lambda: (
            Patient()
            .fails("driver", init="k8s-driver-manager")
            .log(
                "driver",
                'Get "https://172.30.0.1:443/api/v1/nodes/a": Bad Gateway',
                container="k8s-driver-manager",
            )
        ),
        lambda: _proxied(
            "+ curl -sS https://172.30.0.1:443/version",
            "curl: (56) Received HTTP code 503 from proxy after CONNECT",
        ),
    ),
    "proxy-unreachable": (
        lambda: _pull("proxyconnect tcp: dial tcp 10.0.0.5:3128: connect: connection refused"),
        lambda: _driver("curl: (56) Received HTTP code 403 from proxy after CONNECT"),
    ),
    "proxy-crio-blocks-registry": (
        lambda: _pull(
            'Failed to pull image "a/b:1": pinging container registry a: Get "https://a/v2/": '
            "Forbidden"
        ),
    ),
    "registry-ca-untrusted": (
        lambda: _pull(
            'Failed to pull image "a/b:1": Get "https://a/v2/": x509: certificate signed by '
            "unknown authority"
        ),
    ),
    "trusted-ca-missing": (
        lambda: _driver("curl: (60) SSL certificate problem: self signed certificate in chain"),
    ),
    "mirror-not-used-for-tag": (
        lambda: (
            Patient()
            .fails("driver", "ImagePullBackOff", image="nvcr.io/nvidia/driver:550-rhcos4.16")
            .add(
                "imagedigestmirrorsets",
                "m",
                spec={"imageDigestMirrors": [{"source": "nvcr.io/nvidia", "mirrors": ["m/n"]}]},
            )
        ),
    ),
    "registry-rate-limited": (
        lambda: _pull(
            "Failed to pull image: toomanyrequests: You have reached your pull rate limit"
        ),
    ),
    "registry-auth-forbidden": (
        lambda: _pull(
            "Failed to pull image: reading manifest 1 in a/b: unauthorized: authentication required"
        ),
        lambda: _pull(
            "Failed to pull image: requesting bearer token: invalid status code from registry 403 "
            "(Forbidden)"
        ),
    ),
    "registry-unreachable": (
        lambda: _pull(
            'Failed to pull image: pinging container registry a: Get "https://a/v2/": dial tcp '
            "1.2.3.4:443: i/o timeout"
        ),
    ),
    # entitlement
    "package-repo-unreachable": (
        lambda: _driver(
            "curl: (28) Failed to connect to cdn.example.com port 443: Connection timed out"
        ),
        lambda: _driver("FATAL: failed to reach RHEL package repositories. Ensure access"),
    ),
    "entitlement-missing": (
        lambda: _driver(
            "FATAL: failed to install elfutils packages. RHEL entitlement may be improperly "
            "deployed.",
            operator="v1.7.1",
        ),
    ),
    "entitlement-stale": (
        lambda: _files("50-entitlement-pem", "/etc/pki/entitlement/entitlement.pem"),
        lambda: tried_entitlement(_bare()),
    ),
    "kernel-headers-not-found": (
        lambda: _driver(
            "E: Unable to locate package linux-headers-5.15.0-113-generic", openshift=False
        ),
        lambda: _driver(
            "make[1]: *** /lib/modules/5.15.0-113-generic/build: No such file or directory.  Stop.",
            openshift=False,
        ),
    ),
    # machine-config
    "drain-blocked-by-pdb": (
        lambda: pool("failed to drain node: gpu-0 after 1 hour"),
        _draining,
    ),
    "node-disk-pressure": (
        lambda: Patient().node(
            conditions=[{"type": "DiskPressure", "status": "True", "message": "disk pressure"}]
        ),
    ),
    "mcp-paused": (_paused,),
    "mcp-config-drift": (
        lambda: pool('unexpected on-disk state: content mismatch for file "/etc/a"'),
    ),
    "mcp-rendered-config-missing": (
        lambda: pool(
            'machineconfig.machineconfiguration.openshift.io "rendered-worker-a" not found'
        ),
    ),
    "mcp-bad-machineconfig": (
        lambda: pool("can't reconcile config rendered-a with rendered-b: ignition passwd section"),
    ),
    "mcp-degraded-other": (lambda: pool("Node gpu-0 is reporting: exit status 77"),),
    "mcp-stuck-updating": (_updating,),
    # olm
    "olm-bundle-unpack-failed": (
        lambda: subscription(
            conditions=[{"type": "BundleUnpackFailed", "status": "True", "message": "x"}]
        ),
        _not_looked_up,
    ),
    "olm-multiple-operatorgroups": (
        lambda: subscription().add("operatorgroups", "second", SPACE, spec={}),
    ),
    "olm-no-operatorgroup": (
        lambda: subscription().drop("operatorgroups").add("operatorgroups", "a", "elsewhere"),
    ),
    "olm-orphan-csv": (
        lambda: _unresolved(
            "clusterserviceversion a.v1 exists and is not referenced by a subscription"
        ),
    ),
    "olm-catalogsource-missing": (
        lambda: (
            subscription()
            .drop("catalogsources")
            .add("catalogsources", "mine", "openshift-marketplace")
        ),
    ),
    "olm-catalogsource-unhealthy": (_catalog,),
    "olm-package-not-in-catalog": (
        lambda: _unresolved(
            "no operators found in package gpu in the catalog referenced by subscription"
        ),
    ),
    "olm-csv-requirements-not-met": (_requirements, given_up),
    "olm-installplan-awaiting-approval": (
        lambda: subscription().add(
            "installplans", "install-a", SPACE, spec={"approval": "Manual", "approved": False}
        ),
    ),
    # nfd
    "nfd-worker-not-tolerating-taint": (lambda: _unlabelled(Patient()).taint("nodetype", "gpu"),),
    "nfd-worker-excluded-by-role": (_by_role,),
    "nfd-cr-misconfigured": (
        lambda: Patient().labels(
            PCI, **{"feature.node.kubernetes.io/pci-0302_10de_1eb8.present": "true"}
        ),
        _passed_over,
    ),
    "nfd-crd-missing": (
        lambda: (
            Patient()
            .fails("nfd-master")
            .log(
                "nfd-master",
                'failed to list *v1alpha1.NodeFeature: no matches for kind "NodeFeature"',
            )
        ),
    ),
    "gfd-nodefeature-api-mismatch": (
        lambda: (
            Patient()
            .fails("gfd")
            .log(
                "gfd",
                "failed to create node feature object: the server could not find the requested "
                "resource",
            )
        ),
        lambda: Patient().labels("nvidia.com/gpu.product"),
    ),
    "nfd-worker-cannot-reach-master": (
        lambda: (
            Patient()
            .fails("nfd-worker")
            .log("nfd-worker", "failed to connect: context deadline exceeded")
        ),
        lambda: (
            Patient()
            .fails("nfd-worker")
            .log("nfd-worker", "base.go:127] connecting to nfd-master at nfd-master:8080 ...")
        ),
        lambda: (
            Patient()
            .fails("nfd-worker")
            .log("nfd-worker", "sending update to cc: {[{nfd-master:12000  <nil> 0 <nil>}]}")
        ),
    ),
    "nfd-duplicate": (_twice,),
    "nfd-missing": (_no_nfd,),
    "nfd-operand-image-mismatch": (_pinned,),
    "nfd-operator-defect": (lambda: Patient().fails("nfd-operator"),),
    "nfd-master-failing": (lambda: Patient().fails("nfd-master"),),
    "gpu-deploy-labels-wrong": (
        lambda: Patient().labels(**{"nvidia.com/gpu.deploy.device-plugin": ""}).policy(),
    ),
    "stale-node-state": (lambda: Patient().labels(PCI).lspci("1eb8").file("lspci", "none"),),
    "nfd-labels-missing": (_no_instance,),
    "no-gpu-node": (_no_card,),
    # driver-toolkit
    "nfd-stale-labels": (lambda: Patient().labels(**{OSTREE: "416.94.202401010000-0"}),),
    "dtk-image-missing": (
        _untagged,
        lambda: _untagged().log("driver", "Error: Unable to find a match: elfutils-libelf.x86_64"),
    ),
    "nfd-ostree-label-missing": (
        lambda: Patient().fails("driver").labels(OSTREE),
        lambda: Patient().alert("GPUOperatorOpenshiftDriverToolkitEnabledNfdTooOld", "too old"),
    ),
    # driver
    "secure-boot-enabled": (
        lambda: _driver("modprobe: ERROR: could not insert 'nvidia': Required key not available"),
        lambda: (
            Patient()
            .fails("driver")
            .dmesg("Lockdown: modprobe: unsigned module loading is restricted")
        ),
    ),
    "open-kernel-module-required": (
        lambda: (
            Patient()
            .fails("driver")
            .dmesg("NVRM: this GPU requires use of the NVIDIA open kernel modules.")
        ),
        lambda: (
            Patient()
            .fails("driver")
            .lspci("2901")
            .policy(driver={"kernelModuleType": "proprietary"})
        ),
    ),
    "open-kernel-module-unsupported": (
        lambda: (
            Patient()
            .fails("driver")
            .dmesg("NVRM: installed in this system is not supported by open nvidia.ko")
        ),
    ),
    "gpu-too-old-for-driver": (
        lambda: (
            Patient().fails("driver").dmesg("supported through the NVIDIA 470.xx Legacy drivers.")
        ),
        lambda: Patient().fails("driver").lspci("102d"),
    ),
    "vgpu-needs-guest-driver": (
        lambda: (
            Patient()
            .fails("driver")
            .lspci("26b9")
            .dmesg(
                "Hypervisor detected: KVM", "NVRM: installed in this system is not supported by the"
            )
        ),
    ),
    "nouveau-loaded": (
        lambda: Patient().fails("driver").lspci("1eb8", "nouveau"),
        lambda: Patient().fails("driver").file(_LSMOD, "nouveau  2306048  0"),
    ),
    "module-load-failed-generic": (
        lambda: _driver("modprobe: ERROR: could not insert 'nvidia': No such device").lspci("1eb8"),
    ),
    "driver-image-tag-missing": (
        lambda: _pull(
            'Failed to pull image "a:1": reading manifest 1 in a: manifest unknown', "driver"
        ),
    ),
    "precompiled-kernel-mismatch": (
        lambda: (
            Patient().fails("driver", "ImagePullBackOff").policy(driver={"usePrecompiled": True})
        ),
    ),
    "clusterpolicy-driver-image-incomplete": (
        lambda: (
            Patient()
            .policy(driver={"version": "550.1"})
            .without("driver")
            .log("operator", "failed to get image for driver: invalid values for driver image")
        ),
    ),
    "clusterpolicy-version-mismatch": (
        lambda: (
            Patient()
            .policy()
            .log(
                "operator",
                "Empty image path provided through both ClusterPolicy CR and ENV DRIVER_IMAGE",
            )
        ),
    ),
    "operand-image-stale": (_old_suffix,),
    "gcc-mismatch": (
        lambda: _driver(
            "gcc: error: unrecognized command line option '-ftrivial-auto-var-init=zero'",
            openshift=False,
        ),
    ),
    "kernel-variant-unsupported": (
        _variant,
        lambda: _variant().log("driver", "Error: Unable to find a match: kernel-headers-5.14.0"),
        lambda: _variant().log("driver", "No OFED driver found for kernel 5.14.0-1.rt7.1.el9"),
    ),
    "driver-kernel-incompatible": (
        lambda: _driver(
            "nv-mmap.c:123: error: implicit declaration of function 'foo'", openshift=False
        ),
        lambda: _driver("nv.c:130:18: error: expected ',' or ';' before 'NAME'", openshift=False),
        lambda: _driver("make[3]: *** [Makefile.build:207: nvidia/nv.o] Error 1", openshift=False),
    ),
    "host-driver-installed": (
        lambda: (
            _fresh()
            .fails("driver", init="k8s-driver-manager")
            .log(
                "driver",
                "nvidia driver module is already loaded with refcount 3",
                container="k8s-driver-manager",
            )
        ),
        lambda: _fresh().fails("driver").file("installed-rpms", "kmod-nvidia-open-dkms-570"),
        lambda: (
            _fresh().fails("driver").lspci("1eb8").file(_LSMOD, "nvidia  54571008  2 nvidia_uvm")
        ),
    ),
    "driver-disabled-no-host-driver": (
        lambda: (
            Patient()
            .lspci("1eb8")
            .policy(driver={"enabled": False})
            .without("driver")
            .fails("validator", init="driver-validation")
        ),
    ),
    "validation-markers-missing": (
        lambda: (
            Patient()
            .policy(driver={"enabled": False}, toolkit={"enabled": False})
            .without("driver", "toolkit")
            .fails("plugin", init="toolkit-validation")
        ),
    ),
    "driver-in-use-cannot-unload": (
        lambda: (
            Patient()
            .fails("driver", init="k8s-driver-manager")
            .log(
                "driver",
                "Could not unload NVIDIA driver kernel modules, driver is in use",
                container="k8s-driver-manager",
            )
        ),
        lambda: (
            Patient()
            .fails("driver", init="k8s-driver-manager")
            .log(
                "driver",
                'error: unable to drain node "gpu-0" due to error: cannot delete Pods with local '
                "storage",
                container="k8s-driver-manager",
            )
        ),
        _given_up,
    ),
    "driver-upgrade-stale-gpu-pods": (
        lambda: (
            Patient()
            .fails("plugin")
            .log("plugin", "Failed to initialize NVML: Driver/library version mismatch")
        ),
    ),
    "driver-not-ready-generic": (lambda: Patient().fails("driver").lspci("1eb8"),),
    # vgpu, fabric, rdma
    "vgpu-wrong-package": (
        lambda: (
            Patient()
            .workload("vgpu-manager")
            .fails("vgpu-manager")
            .log("vgpu-manager", "nvidia-vgpud: command not found")
        ),
    ),
    "vgpu-config-failed": (lambda: Patient().labels(**{"nvidia.com/vgpu.config.state": "failed"}),),
    "vgpu-license-server-failed": (
        lambda: Patient().file(
            "nvidia-bug-report", "nvidia-gridd: Failed to acquire license from 10.0.0.9"
        ),
    ),
    "vgpu-unlicensed": (
        lambda: Patient().file("nvidia-bug-report", "License Status : Unlicensed (Unrestricted)"),
    ),
    "fabric-manager-nvlink5-prereq": (
        lambda: _driver("nvlsm: could not find an InfiniBand device, load ib_umad"),
        lambda: _driver('Kernel module "ib_umad" has not been loaded'),
        lambda: (
            Patient()
            .lspci("2901", "nvidia")
            .file(_LSMOD, "nvidia  54571008  2 nvidia_uvm")
            .fails("validator", init="cuda-validation")
            .log("validator", "error code system not yet initialized", container="cuda-validation")
        ),
    ),
    "fabric-manager-not-running": (
        lambda: (
            Patient()
            .fails("validator", init="cuda-validation")
            .log(
                "validator",
                "CUDA error 802: system not yet initialized",
                container="cuda-validation",
            )
        ),
        lambda: _driver("Unknown option: /usr/share/nvidia/nvswitch/fabricmanager.cfg"),
    ),
    "peermem-env-missing": (
        lambda: (
            Patient()
            .fails("driver", init="nvidia-peermem-ctr")
            .log("driver", "USE_HOST_MOFED: unbound variable", container="nvidia-peermem-ctr")
        ),
    ),
    "peermem-ofed-mismatch": (
        lambda: (
            Patient()
            .fails("driver")
            .dmesg(
                "nvidia_peermem: disagrees about version of symbol ib_register_peer_memory_client"
            )
        ),
    ),
    # container-toolkit
    "toolkit-wrong-runtime": (
        lambda: _k8s().fails("toolkit").policy(operator={"defaultRuntime": "docker"}),
    ),
    "crun-hook-regression": (
        lambda: (
            Patient()
            .fails("validator", "CreateContainerError", init="toolkit-validation")
            .event(
                "validator",
                "error executing hook `/usr/local/nvidia/toolkit/nvidia-container-runtime-hook` "
                "(exit code: 1)",
            )
        ),
    ),
    "toolkit-legacy-ldcache": (
        lambda: (
            _k8s()
            .fails("plugin", "CreateContainerError")
            .event(
                "plugin", "nvidia-container-cli: ldcache error: open failed: /sbin/ldconfig.real"
            )
        ),
    ),
    "runtimeclass-not-applicable-crio": (
        lambda: (
            Patient()
            .fails("validator", "ContainerCreating")
            .event("validator", "failed to find runtime handler nvidia from runtime list map")
        ),
    ),
    "toolkit-wrong-containerd-config": (
        lambda: (
            _containerd(_k8s(), "v1.29.7+k3s1")
            .fails("validator", "ContainerCreating")
            .event(
                "validator", 'failed to get sandbox runtime: no runtime for "nvidia" is configured'
            )
        ),
        lambda: (
            _containerd(_k8s(), "v1.29.7+rke2r1")
            .fails("toolkit")
            .log("toolkit", "Error: unable to load config: (6, 21): unexpected token type")
        ),
    ),
    "containerd-config-overwritten": (
        lambda: (
            _k8s()
            .fails("validator", "ContainerCreating")
            .event(
                "validator", 'failed to get sandbox runtime: no runtime for "nvidia" is configured'
            )
        ),
    ),
    "nvml-lost-after-daemon-reload": (
        lambda: _worker().log("train-0", "Failed to initialize NVML: Unknown Error"),
    ),
    "crio-hooks-dir-missing": (
        lambda: (
            Patient()
            .fails("validator", init="toolkit-validation")
            .file(
                "etc/crio/crio.conf", "hooks_dir = [", '"/usr/share/containers/oci/hooks.d",', "]"
            )
        ),
    ),
    "runtime-not-injecting-driver": (
        lambda: (
            _k8s()
            .fails("plugin")
            .log(
                "plugin",
                "could not load NVML library: libnvidia-ml.so.1: cannot open shared object file",
            )
        ),
        lambda: (
            _k8s()
            .fails("toolkit", "RunContainerError", init="driver-validation")
            .event("toolkit", "failed to inject CDI devices: unresolvable CDI devices a/b=all")
        ),
    ),
    "toolkit-restarts-runtime": (
        lambda: _k8s().fails("toolkit").log("toolkit", "Sending SIGHUP signal to containerd"),
        lambda: _restarted(toolkit=30, plugin=29, exporter=31, validator=28),
    ),
    # device-plugin
    "device-plugin-configmap-missing": (
        lambda: (
            Patient()
            .fails("plugin", "ContainerCreating")
            .event(
                "plugin",
                'MountVolume.SetUp failed for volume "c": configmap "sharing" not found',
                reason="FailedMount",
            )
        ),
    ),
    "device-plugin-config-symlink": (
        lambda: (
            Patient()
            .fails("plugin")
            .log("plugin", "unable to create symlink: symlink a b: file exists")
        ),
    ),
    "device-plugin-config-wrong": (
        lambda: _config_map("sharing", _SHARING).policy(
            "ready", devicePlugin={"config": {"name": "sharing", "default": "other"}}
        ),
    ),
    "mig-enabled-no-devices": (
        lambda: (
            Patient().fails("plugin").log("plugin", "No MIG devices associated with /dev/nvidia0")
        ),
        lambda: (
            Patient()
            .fails("plugin")
            .log("plugin", "MIG mode is enabled, but no MIG devices were found")
        ),
    ),
    "mig-mode-needs-reboot": (
        lambda: Patient().file("nvidia-bug-report", "|   0  NVIDIA A30   | Enabled* |"),
    ),
    "mig-strategy-mismatch": (
        lambda: (
            Patient().fails("plugin").log("plugin", "more than one MIG device type present on node")
        ),
        lambda: (
            Patient()
            .fails("plugin")
            .log(
                "plugin",
                "panic: At least one device with migEnabled=true was not configured correctly: "
                "More than one MIG device type present on node",
            )
        ),
    ),
    "mig-config-failed": (lambda: Patient().labels(**{"nvidia.com/mig.config.state": "failed"}),),
    "mig-monitor-env-missing": (
        lambda: (
            Patient()
            .fails("exporter")
            .log("exporter", "error getting MIG devices: Insufficient Permissions")
        ),
        lambda: (
            Patient()
            .fails("exporter")
            .labels(**{"nvidia.com/mig.config": "all-1g.5gb"})
            .log("exporter", "CacheManager Init Failed. Error: -17")
        ),
    ),
    "gpu-marked-unhealthy-xid": (
        lambda: (
            Patient()
            .node(allocatable={"nvidia.com/gpu": "0"})
            .log(
                "plugin", "XidCriticalError: Xid=48 on Device=GPU-1, the device will go unhealthy."
            )
        ),
        lambda: (
            Patient()
            .node(capacity={"nvidia.com/gpu": "8"}, allocatable={"nvidia.com/gpu": "7"})
            .dmesg("NVRM: Xid (PCI:0000:3b:00): 31, pid=1", "NVRM: Xid (PCI:0000:3b:00): 48, pid=1")
        ),
    ),
    "gpu-marked-unhealthy": (
        lambda: Patient().node(
            capacity={"nvidia.com/gpu": "8"}, allocatable={"nvidia.com/gpu": "7"}
        ),
        lambda: (
            Patient()
            .node(capacity={"nvidia.com/gpu": "8"}, allocatable={"nvidia.com/gpu": "7"})
            .dmesg("NVRM: Xid (PCI:0000:3b:00): 31, pid=1, name=train")
        ),
    ),
    # validator
    "cuda-driver-insufficient": (
        lambda: (
            Patient()
            .fails("validator", init="cuda-validation")
            .log(
                "validator",
                "CUDA driver version is insufficient for CUDA runtime version",
                container="cuda-validation",
            )
        ),
        lambda: (
            _worker()
            .fails("train-0")
            .log("train-0", "The NVIDIA driver on your system is too old (found version 11070).")
        ),
    ),
    "validator-no-free-gpu": (lambda: _worker().fails("validator", init="plugin-validation"),),
    "cuda-init-error": (
        lambda: (
            Patient()
            .fails("validator", init="cuda-validation")
            .log(
                "validator",
                "Failed to allocate device vector A (error code unknown error)!",
                container="cuda-validation",
            )
        ),
    ),
    "dcgm-profiling-unsupported": (
        lambda: (
            Patient()
            .fails("exporter")
            .log("exporter", "serviced by a module of DCGM that is not currently loaded")
        ),
    ),
    "dcgm-duplicate-profiling": (lambda: _two_exporters().log("exporter", _PROFILING),),
    "dcgm-profiling-failed": (lambda: Patient().fails("exporter").log("exporter", _PROFILING),),
    # scheduling
    "operand-missing-toleration": (_untolerated,),
    "default-node-selector-conflict": (_scheduler,),
    "workload-missing-toleration": (
        lambda: (
            _worker()
            .taint("nvidia.com/gpu", "present")
            .pending(
                "train-0",
                "0/3 nodes are available: 1 node(s) had untolerated taint {nvidia.com/gpu: "
                "present}",
            )
        ),
    ),
    # hardware
    "passthrough-bar-mmio": (
        lambda: Patient().fails("driver").dmesg("NVRM: BAR1 is 0M @ 0x0 (PCI:0000:3b:00.0)"),
    ),
    "rminitadapter-failed": (
        lambda: (
            Patient()
            .fails("driver")
            .dmesg("NVRM: GPU 0000:3b:00.0: RmInitAdapter failed! (0x62:0xffff:2351)")
        ),
    ),
    "gpu-fallen-off-bus": (
        lambda: Patient().dmesg(
            "NVRM: Xid (PCI:0000:3b:00): 79, pid=1, GPU has fallen off the bus."
        ),
    ),
    "hypervisor-passthrough-crash": (
        lambda: (
            Patient()
            .fails("driver")
            .dmesg("vfio_err_notifier_handler(0000:3b:00.0) Unrecoverable error detected")
        ),
        lambda: _silent().dmesg("systemd[1]: Detected virtualization vmware."),
    ),
    "iommu-disabled": (
        lambda: _sandbox().fails("vfio").log("vfio", "error: IOMMU is not enabled on this host"),
    ),
    "sandbox-validator-sriov": (
        lambda: _sandbox("1eb8").fails("sandbox", init="vgpu-manager-validation"),
    ),
    "sandbox-validation-device-in-use": (
        lambda: (
            _sandbox()
            .fails("sandbox", init="vgpu-devices-validation")
            .pod("virt-launcher-vm", "vms", {"containers": [{"name": "compute"}], "nodeName": NODE})
        ),
    ),
}
"""Makers of ill clusters by cause."""
for _more in (MORE, UNSAID, INDIRECT, SAYINGS):
    AILMENTS |= {slug: (*AILMENTS.get(slug, ()), *makers) for slug, makers in _more.items()}
NOTICES = frozenset({"gpus-all-taken"})
"""Causes that nothing is broken by: warnings."""
