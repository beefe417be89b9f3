"""A small cluster with GPUs, healthy until a test makes it ill."""

import copy
from datetime import UTC, datetime
from typing import Any, Self

import msgspec

from oc_gpu.checks.cards import model
from oc_gpu.checks.case import Case
from oc_gpu.checks.doctor import diagnose
from oc_gpu.checks.model import Finding
from oc_gpu.snapshot.diagnosis import SOURCES
from oc_gpu.snapshot.model import Alert, Snapshot
from oc_gpu.snapshot.texts import Text, TextRef

NODE = "gpu-0"
SPACE = "nvidia-gpu-operator"
_PRODUCT = "nvidia.com/gpu.product"
OSTREE = "feature.node.kubernetes.io/system-os_release.OSTREE_VERSION"
BUILD = "416.94.202409040013-0"
CONTAINERS = {
    "driver": ("nvidia-driver-daemonset", "nvidia-driver-ctr", "k8s-driver-manager"),
    "toolkit": (
        "nvidia-container-toolkit-daemonset",
        "nvidia-container-toolkit-ctr",
        "driver-validation",
    ),
    "plugin": ("nvidia-device-plugin-daemonset", "nvidia-device-plugin", "toolkit-validation"),
    "gfd": ("gpu-feature-discovery", "gpu-feature-discovery", "toolkit-validation"),
    "dcgm": ("nvidia-dcgm", "nvidia-dcgm-ctr", "toolkit-validation"),
    "exporter": ("nvidia-dcgm-exporter", "nvidia-dcgm-exporter", "toolkit-validation"),
    "mig": ("nvidia-mig-manager", "nvidia-mig-manager", "toolkit-validation"),
    "validator": ("nvidia-operator-validator", "nvidia-operator-validator", "cuda-validation"),
    "nfd-worker": ("nfd-worker", "nfd-worker", ""),
    "nfd-master": ("nfd-master", "nfd-master", ""),
    "operator": ("gpu-operator", "gpu-operator", ""),
    "nfd-operator": ("nfd-controller-manager", "manager", ""),
    "sandbox": ("nvidia-sandbox-validator", "nvidia-sandbox-validator", "vgpu-manager-validation"),
    "vfio": ("nvidia-vfio-manager", "nvidia-vfio-manager", ""),
    "vgpu-manager": ("nvidia-vgpu-manager-daemonset", "nvidia-vgpu-manager-ctr", ""),
    "vgpu-config": ("nvidia-vgpu-device-manager", "nvidia-vgpu-device-manager", ""),
    "mcd": ("machine-config-daemon", "machine-config-daemon", ""),
    "catalog": ("catalog-operator", "catalog-operator", ""),
}
"""DaemonSet or Deployment, its container, and the one of its initialisation."""
SETS = ("driver", "toolkit", "plugin", "gfd", "dcgm", "exporter", "mig", "validator")
_TOLERATES = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]

_NOW = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()


class Patient:
    """The cluster; each method makes one thing wrong and returns the cluster."""

    def __init__(self, *, openshift: bool = True, operator: str = "v24.9.2") -> None:
        self.openshift = openshift
        self.operator = operator
        self.tables: dict[str, list[dict[str, Any]]] = {s.name: [] for s in SOURCES}
        self.texts: dict[TextRef, tuple[Text, ...]] = {}
        self.alerts: tuple[Alert, ...] = ()
        self.absent: set[str] = set()
        self.now = 0.0
        self._nodes()
        self._stack()
        self.card = "1eb8"
        self.lspci(self.card, "nvidia")

    # -- what is there when all is well ---------------------------------------------------------

    def _nodes(self) -> None:
        info = {
            "kernelVersion": "5.14.0-427.33.1.el9_4.x86_64",
            "osImage": f"Red Hat Enterprise Linux CoreOS {BUILD}",
            "containerRuntimeVersion": "cri-o://1.29.4",
            "kubeletVersion": "v1.29.7",
        }
        if not self.openshift:
            info |= {
                "kernelVersion": "5.15.0-113-generic",
                "osImage": "Ubuntu 22.04.4 LTS",
                "containerRuntimeVersion": "containerd://1.7.18",
            }
        labels = {
            "feature.node.kubernetes.io/pci-10de.present": "true",
            "feature.node.kubernetes.io/kernel-version.full": info["kernelVersion"],
            "nvidia.com/gpu.present": "true",
            _PRODUCT: "Tesla-T4",
            "nvidia.com/gpu.deploy.driver": "true",
            "nvidia.com/gpu.deploy.device-plugin": "true",
        }
        if self.openshift:
            labels[OSTREE] = BUILD
            self.add("clusterversions", "version", status={"desired": {"version": "4.16.10"}})
            tags = {"tags": [{"tag": BUILD}]}
            self.add("imagestreams", "driver-toolkit", "openshift", status=tags)
        for name, roles in (
            ("master-0", "control-plane"),
            ("worker-0", "worker"),
            (NODE, "worker"),
        ):
            gpu = name == NODE
            amounts = {"cpu": "8", **({"nvidia.com/gpu": "1"} if gpu else {})}
            feature = {"feature.node.kubernetes.io/cpu-model.vendor_id": "Intel"}
            role = {f"node-role.kubernetes.io/{roles}": ""}
            self.add(
                "nodes",
                name,
                labels={**feature, **role, **(labels if gpu else {})},
                spec={},
                status={
                    "capacity": dict(amounts),
                    "allocatable": dict(amounts),
                    "nodeInfo": info,
                    "conditions": [{"type": "Ready", "status": "True"}],
                },
            )

    def _stack(self) -> None:
        for name in (SPACE, "openshift-nfd", "ml"):
            enforce = {"pod-security.kubernetes.io/enforce": "privileged"}
            self.add("namespaces", name, labels=enforce)
        state = {"state": "ready"}
        self.add("clusterpolicies", "gpu-cluster-policy", spec={"driver": {}}, status=state)
        self.add("nodefeaturediscoveries", "nfd-instance", "openshift-nfd", spec={})
        for part in SETS:
            self.workload(part)
        for node in ("worker-0", NODE):
            self.workload("nfd-worker", space="openshift-nfd", node=node)
        for part, space in (
            ("operator", SPACE),
            ("nfd-operator", "openshift-nfd"),
            ("nfd-master", "openshift-nfd"),
        ):
            self.workload(part, space=space, node="master-0", kind="deployments")
        pool = {
            "machineCount": 2,
            "updatedMachineCount": 2,
            "configuration": {"name": "rendered-worker-1"},
            "conditions": [{"type": "Updated", "status": "True"}],
        }
        wanted = {"configuration": {"name": "rendered-worker-1"}}
        if self.openshift:
            self.add("machineconfigpools", "worker", spec=wanted, status=pool)

    def add(self, table: str, name: str, namespace: str = "", **body: Any) -> Self:
        """Add an object."""
        meta = {"name": name, "labels": body.pop("labels", {}), **body.pop("metadata", {})}
        if namespace:
            meta["namespace"] = namespace
        kind = next(s.resource.kind for s in SOURCES if s.name == table)
        self.tables[table].append({"kind": kind, "metadata": meta, **copy.deepcopy(body)})
        return self

    def workload(
        self, part: str, *, space: str = SPACE, node: str = NODE, kind: str = "daemonsets"
    ) -> Self:
        """Add a part of the stack with its pod, which is ready."""
        name, container, init = CONTAINERS[part]
        image = f"nvcr.io/nvidia/{part}:1"
        if part == "operator":
            image = f"nvcr.io/nvidia/gpu-operator:{self.operator}"
        if part == "driver":
            image = "nvcr.io/nvidia/driver:550.144.03-rhcos4.16"
        spec = {
            "containers": [{"name": container, "image": image}],
            "initContainers": [{"name": init, "image": "nvcr.io/x:1"}] if init else [],
            "tolerations": _TOLERATES,
        }
        if not any(item["metadata"]["name"] == name for item in self.tables[kind]):
            counts = {"readyReplicas": 1, "replicas": 1}
            if kind == "daemonsets":
                counts = {
                    "desiredNumberScheduled": 1,
                    "currentNumberScheduled": 1,
                    "numberReady": 1,
                }
            labels = {"app": name}
            template = {"metadata": {"labels": labels}, "spec": spec}
            self.add(kind, name, space, labels=labels, spec={"template": template}, status=counts)
        return self.pod(f"{name}-{node}", space, spec | {"nodeName": node}, owner=name)

    def pod(
        self, name: str, space: str, spec: dict[str, Any], *, owner: str = "", **meta: Any
    ) -> Self:
        """Add a pod that is ready."""
        owners = [{"kind": "DaemonSet", "name": owner, "controller": True}] if owner else []
        done = {"terminated": {"exitCode": 0, "reason": "Completed"}}
        runs = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
        statuses = [_state(c, runs, ready=True) for c in spec["containers"]]
        inits = [_state(c, done, ready=True) for c in spec.get("initContainers", [])]
        return self.add(
            "pods",
            name,
            space,
            metadata={"ownerReferences": owners, **meta},
            labels={"app": owner or name},
            spec=spec,
            status={
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": statuses,
                "initContainerStatuses": inits,
            },
        )

    # -- what can be wrong ----------------------------------------------------------------------

    def one(self, table: str, name: str) -> dict[str, Any]:
        """Return an object to change."""
        return next(item for item in self.tables[table] if item["metadata"]["name"] == name)

    def pod_of(self, part: str) -> dict[str, Any]:
        """Return the pod of a part of the stack, or one by its name."""
        name = CONTAINERS[part][0] if part in CONTAINERS else part
        every = [item for item in self.tables["pods"] if item["metadata"]["name"].startswith(name)]
        return next((p for p in every if p["spec"].get("nodeName") == NODE), every[0])

    def fails(
        self,
        part: str,
        state: str = "CrashLoopBackOff",
        *,
        init: str = "",
        message: str = "",
        image: str = "",
        reason: str = "Error",
    ) -> Self:
        """Let a container of a part fail: the first one, or that of the initialisation."""
        pod = self.pod_of(part)
        key = "initContainerStatuses" if init else "containerStatuses"
        if init and not any(c["name"] == init for c in pod["status"][key]):
            pod["spec"].setdefault("initContainers", []).append({"name": init, "image": "x:1"})
            pod["status"][key].append({"name": init, "image": "x:1"})
        for one in pod["status"][key]:
            if not init or one["name"] == init:
                one |= {
                    "ready": False,
                    "restartCount": 7,
                    "state": {"waiting": {"reason": state, "message": message}},
                    "lastState": {"terminated": {"exitCode": 1, "reason": reason}},
                    "image": image or one["image"],
                }
                break
        pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
        return self

    def waits(self, part: str, *, minutes: float) -> Self:
        """Let a pod that was made some minutes ago be not ready, without ever having failed."""
        pod = self.pod_of(part)
        self.now = self.now or _NOW
        made = datetime.fromtimestamp(self.now - 60 * minutes, UTC).isoformat()
        pod["metadata"]["creationTimestamp"] = made
        pod["status"]["containerStatuses"][0]["ready"] = False
        pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
        return self

    def rolls(self, *, minutes: float, updated: int = 0) -> Self:
        """Let the pool of the workers be on its way to a new configuration since some minutes."""
        self.now = self.now or _NOW
        since = datetime.fromtimestamp(self.now - 60 * minutes, UTC).isoformat()
        pool = self.one("machineconfigpools", "worker")
        pool["spec"] = {"configuration": {"name": "rendered-worker-2"}}
        pool["status"]["updatedMachineCount"] = updated
        pool["status"]["conditions"] = [
            {"type": "Updating", "status": "True", "lastTransitionTime": since},
            {"type": "Updated", "status": "False"},
        ]
        return self

    def pending(self, part: str, message: str) -> Self:
        """Let a pod find no node."""
        pod = self.pod_of(part)
        pod["spec"].pop("nodeName", None)
        unplaced = {"type": "PodScheduled", "status": "False", "message": message}
        pod["status"] = {"phase": "Pending", "conditions": [unplaced]}
        return self

    def log(self, part: str, *lines: str, container: str = "") -> Self:
        """Let a container of a part have written something."""
        pod = self.pod_of(part)
        meta = pod["metadata"]
        name = container or pod["spec"]["containers"][0]["name"]
        ref = TextRef(
            kind="log",
            where=f"{meta['name']}/{name}/current.log",
            namespace=meta["namespace"],
            pod=meta["name"],
            container=name,
        )
        self.texts[ref] = (Text(lines),)
        return self

    def event(self, part: str, message: str, *, kind: str = "Pod", reason: str = "Failed") -> Self:
        """Add a warning about a part's pod, or about another object."""
        name = self.pod_of(part)["metadata"]["name"] if kind == "Pod" else part
        about = {"kind": kind, "name": name}
        number = len(self.tables["events"])
        body = {"type": "Warning", "reason": reason, "message": message, "involvedObject": about}
        return self.add("events", f"event-{number}", SPACE, **body)

    def file(self, name: str, *lines: str, node: str = NODE) -> Self:
        """Add a file of a node."""
        ref = TextRef(kind="node", where=f"nodes/{node}/{name}", node=node, name=name)
        self.texts[ref] = (Text(lines),)
        return self

    def dmesg(self, *lines: str) -> Self:
        """Let the kernel of the GPU node say something."""
        return self.file("dmesg", *lines)

    def lspci(self, device: str, driver: str = "") -> Self:
        """Put a card into the GPU node, of which the labels tell."""
        labels = self.one("nodes", NODE)["metadata"]["labels"]
        if labels.get(_PRODUCT) in (f"Tesla-{name}" for name in ("T4", model(self.card))):
            labels[_PRODUCT] = f"Tesla-{model(device) or 'T4'}"
        self.card = device
        use = [f"\tKernel driver in use: {driver}"] if driver else []
        return self.file("lspci", f"3b:00.0 0302: 10de:{device} (rev a1)", *use)

    def labels(self, *gone: str, **set_: str) -> Self:
        """Change labels of the GPU node."""
        labels = self.one("nodes", NODE)["metadata"]["labels"]
        for name in gone:
            labels.pop(name, None)
        labels |= set_
        return self

    def node(self, **status: Any) -> Self:
        """Change the status of the GPU node."""
        found = self.one("nodes", NODE)["status"]
        for name, value in status.items():
            found[name] = {**found[name], **value} if isinstance(value, dict) else value
        return self

    def taint(self, key: str, value: str = "") -> Self:
        """Taint the GPU node."""
        taint = {"key": key, "value": value, "effect": "NoSchedule"}
        self.one("nodes", NODE)["spec"]["taints"] = [taint]
        return self

    def policy(self, state: str = "notReady", **spec: Any) -> Self:
        """Change the ClusterPolicy."""
        found = self.one("clusterpolicies", "gpu-cluster-policy")
        found["spec"] |= spec
        found["status"] = {"state": state}
        return self

    def without(self, *parts: str) -> Self:
        """Take parts of the stack away, pods and all."""
        names = tuple(CONTAINERS[part][0] for part in parts)
        for table in ("pods", "daemonsets", "deployments"):
            self.tables[table] = [
                item
                for item in self.tables[table]
                if not item["metadata"]["name"].startswith(names)
            ]
        return self

    def drop(self, table: str) -> Self:
        """Leave out all objects of a kind."""
        self.tables[table] = []
        return self

    def alert(self, name: str, message: str = "") -> Self:
        """Let an alert fire."""
        self.alerts = (*self.alerts, Alert(name, message))
        return self

    # -- the diagnosis ----------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return what is known of the cluster."""
        tables = {
            source.name: tuple(
                msgspec.convert(item, source.type, strict=False)
                for item in self.tables[source.name]
            )
            for source in SOURCES
            if source.name not in self.absent
        }
        return Snapshot(
            "a patient", now=self.now, tables=tables, texts=self.texts, alerts=self.alerts
        )

    def diagnosis(self) -> tuple[Finding, ...]:
        """Return what the doctor says."""
        return diagnose(Case(self.snapshot()))


def _state(container: dict[str, Any], state: dict[str, Any], *, ready: bool) -> dict[str, Any]:
    return {
        "name": container["name"],
        "image": container.get("image", ""),
        "ready": ready,
        "state": state,
    }
