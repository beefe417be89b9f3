"""The entitlement: Secret, MachineConfigs and the pods that prove it.

Names and contents are those of NVIDIA's cluster-wide entitlement for OpenShift and of Red Hat's
entitled builds (NVIDIA/cloud-native-docs, openshift/download/0003-cluster-wide-machineconfigs).
"""

import base64

from oc_gpu.kube import RawObject
from oc_gpu.manifests.labels import PROOF, labels
from oc_gpu.manifests.pods import security
from oc_gpu.manifests.proxy import Proxy, environment

STAGE = "entitlement"
SECRET = "entitlement"  # noqa: S105  # the name of a Secret
MOUNTING_POD = "entitled-build-pod"
CLUSTER_POD = "cluster-entitled-build-pod"

MOUNTS_PATH = "/etc/containers/mounts.conf"
RHSM_PATH = "/etc/rhsm/rhsm.conf"
FOLDER = "/etc/pki/entitlement"
PEM = "entitlement.pem"
KEY_PEM = "entitlement-key.pem"
NODE_PATHS = frozenset({MOUNTS_PATH, RHSM_PATH, f"{FOLDER}/{PEM}", f"{FOLDER}/{KEY_PEM}"})
"""Files that our MachineConfigs put on nodes, the certificate's key among them."""

CONFIG_NAMES = (
    "50-disable-secret-automount",
    "50-rhsm-conf",
    "50-entitlement-pem",
    "50-entitlement-key-pem",
)

SERIAL = "oc-gpu.io/certificate-serial"
"""Annotation of MachineConfigs and proof pods: serial number of the certificate that they hold, or
were made to prove."""
SEARCH = ("dnf", "search", "kernel-devel", "--showduplicates")
"""Lists kernel-devel packages only where the subscription is accepted."""

_MODE = 0o644
_ROLE = "machineconfiguration.openshift.io/role"
_RHSM_CONF = """\
[server]
hostname=subscription.rhsm.redhat.com
port=443
prefix=/subscription
insecure=0
ssl_verify_depth=3

[rhsm]
baseurl=https://cdn.redhat.com
repo_ca_cert=/etc/rhsm/ca/redhat-uep.pem
ca_cert_dir=/etc/rhsm/ca/
productCertDir=/etc/pki/product
entitlementCertDir=/etc/pki/entitlement
consumerCertDir=/etc/pki/consumer
manage_repos=1
full_refresh_on_yum=0
report_package_profile=1

[rhsmcertd]
certCheckInterval=240
autoAttachInterval=1440
"""


def secret(pem: bytes, namespace: str) -> RawObject:
    """Return the Secret with certificate and key, both from the same file."""
    content = _base64(pem)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": namespace, "labels": labels(STAGE)},
        "type": "Opaque",
        "data": {PEM: content, KEY_PEM: content},
    }


def machine_configs(pem: bytes, role: str, ignition: str) -> tuple[RawObject, ...]:
    """Return the MachineConfigs in the order of `CONFIG_NAMES`; made together they cost one reboot.

    Args:
        pem: Certificate and key.
        role: Role of the nodes, such as `worker`.
        ignition: Ignition version of the release's facts.
    """
    contents = (
        (MOUNTS_PATH, b"\n"),
        (RHSM_PATH, _RHSM_CONF.encode()),
        (f"{FOLDER}/{PEM}", pem),
        (f"{FOLDER}/{KEY_PEM}", pem),
    )
    return tuple(
        _machine_config(name, role, ignition, _file(path, content, ignition))
        for name, (path, content) in zip(CONFIG_NAMES, contents, strict=True)
    )


def _machine_config(name: str, role: str, ignition: str, file: RawObject) -> RawObject:
    return {
        "apiVersion": "machineconfiguration.openshift.io/v1",
        "kind": "MachineConfig",
        "metadata": {"name": name, "labels": labels(STAGE, {_ROLE: role})},
        "spec": {"config": {"ignition": {"version": ignition}, "storage": {"files": [file]}}},
    }


def _file(path: str, content: bytes, ignition: str) -> RawObject:
    """Return a file of an Ignition document.

    Specification 2 needs to know the file system; specification 3 does not allow it, and refuses
    to replace a file that exists unless told to.
    """
    source = f"data:text/plain;charset=utf-8;base64,{_base64(content)}"
    file: RawObject = {"path": path, "mode": _MODE, "contents": {"source": source}}
    how = {"filesystem": "root"} if ignition.startswith("2.") else {"overwrite": True}
    return {**file, **how}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def mounting_pod(namespace: str, image: str, proxy: Proxy | None = None) -> RawObject:
    """Return the pod that mounts the Secret: it proves the certificate before any node reboots."""
    pod = _searching_pod(MOUNTING_POD, namespace, image, proxy)
    mount = {"name": SECRET, "mountPath": FOLDER, "readOnly": True}
    pod["spec"]["containers"][0]["volumeMounts"] = [mount]
    pod["spec"]["volumes"] = [{"name": SECRET, "secret": {"secretName": SECRET}}]
    return pod


def cluster_pod(namespace: str, image: str, proxy: Proxy | None = None) -> RawObject:
    """Return the pod without any mount: it proves that nodes give their entitlement to pods."""
    return _searching_pod(CLUSTER_POD, namespace, image, proxy)


def _searching_pod(name: str, namespace: str, image: str, proxy: Proxy | None) -> RawObject:
    """Return a pod that searches for kernel-devel once.

    With any other restartPolicy it would complete and be started again for ever.
    """
    container: RawObject = {
        "name": name,
        "image": image,
        "command": list(SEARCH),
        "securityContext": security(),
    }
    variables = environment(proxy)
    if variables:
        container["env"] = variables
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels(STAGE, {PROOF: STAGE}),
        },
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
