"""The columns of the built-in kinds other than pods, as kubectl's users know them."""

from datetime import datetime

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api import jsonpath
from oc_gpu.sim.api.columns import (
    AGE,
    CREATED,
    NAME,
    NONE,
    UNKNOWN,
    WORKLOAD_WIDE,
    Column,
    age,
    containers_of,
    duration,
    joined,
    labels_text,
    number,
    selector_text,
    text,
    wide,
)
from oc_gpu.sim.api.columns_pod import POD_COLUMNS
from oc_gpu.sim.api.store import KindKey

_ROLE = "node-role.kubernetes.io/"
_RBAC = "rbac.authorization.k8s.io"


def _node_status(node: RawObject, _now: float) -> str:
    ready = jsonpath.first('.status.conditions[?(@.type=="Ready")].status', node)
    words = {"True": "Ready", None: "Unknown"}
    word = words.get(ready, "NotReady")
    return f"{word},SchedulingDisabled" if node.get("spec", {}).get("unschedulable") else word


def _node_roles(node: RawObject, _now: float) -> str:
    labels = node["metadata"].get("labels") or {}
    roles = {key[len(_ROLE) :] for key in labels if key.startswith(_ROLE) and key != _ROLE}
    if labels.get("kubernetes.io/role"):
        roles.add(labels["kubernetes.io/role"])
    return joined(sorted(roles))


def _data_count(obj: RawObject, _now: float) -> int:
    return len(obj.get("data") or {}) + len(obj.get("binaryData") or {})


def _job_status(job: RawObject, _now: float) -> str:
    status = job.get("status") or {}
    found = {c["type"] for c in status.get("conditions") or [] if c["status"] == "True"}
    for kind, word in (
        ("Complete", "Complete"),
        ("Failed", "Failed"),
        ("Suspended", "Suspended"),
        ("FailureTarget", "FailureTarget"),
        ("SuccessCriteriaMet", "SuccessCriteriaMet"),
    ):
        if kind in found:
            return word
    return "Terminating" if job["metadata"].get("deletionTimestamp") else "Running"


def _job_completions(job: RawObject, _now: float) -> str:
    spec, done = job["spec"], (job.get("status") or {}).get("succeeded", 0)
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallelism = spec.get("parallelism", 0)
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _job_duration(job: RawObject, now: float) -> str:
    status = job.get("status") or {}
    if not status.get("startTime"):
        return ""
    ended = status.get("completionTime")
    until = datetime.fromisoformat(ended).timestamp() if ended else now
    return duration(until - datetime.fromisoformat(status["startTime"]).timestamp())


def _last_seen(event: RawObject, now: float) -> str:
    moment = event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp")
    return age(moment, now) if moment else UNKNOWN


def _first_seen(event: RawObject, now: float) -> str:
    moment = event.get("firstTimestamp") or event.get("eventTime")
    return age(moment, now) if moment else UNKNOWN


def _event_source(event: RawObject, _now: float) -> str:
    source = event.get("source") or {}
    parts = (source.get("component") or event.get("reportingComponent"), source.get("host"))
    return ", ".join(part for part in parts if part)


def _event_object(event: RawObject, _now: float) -> str:
    about = event.get("involvedObject") or {}
    kind = str(about.get("kind", "")).lower()
    return f"{kind}/{about['name']}" if about.get("name") else kind


def _service_ports(service: RawObject, _now: float) -> str:
    ports = service.get("spec", {}).get("ports") or []
    return joined(f"{p['port']}/{p.get('protocol', 'TCP')}" for p in ports)


def _subjects(kind: str) -> Column:
    plural = {"User": "Users", "Group": "Groups", "ServiceAccount": "ServiceAccounts"}[kind]

    def value(binding: RawObject, _now: float) -> str:
        found = [s for s in binding.get("subjects") or [] if s.get("kind") == kind]
        spaced = kind == "ServiceAccount"
        names = [f"{s.get('namespace')}/{s['name']}" if spaced else s["name"] for s in found]
        return ", ".join(names)

    return wide(plural, value)


def _controller(obj: RawObject, _now: float) -> str:
    owners = obj["metadata"].get("ownerReferences") or []
    owner = next((o for o in owners if o.get("controller")), None)
    if owner is None:
        return NONE
    group = owner["apiVersion"].rpartition("/")[0]
    kind = owner["kind"].lower()
    return f"{kind}.{group}/{owner['name']}" if group else f"{kind}/{owner['name']}"


_NODES = (
    NAME,
    Column("Status", _node_status),
    Column("Roles", _node_roles),
    AGE,
    text("Version", ".status.nodeInfo.kubeletVersion", ""),
    wide("Internal-IP", text("", '.status.addresses[?(@.type=="InternalIP")].address').value),
    wide("External-IP", text("", '.status.addresses[?(@.type=="ExternalIP")].address').value),
    wide("OS-Image", text("", ".status.nodeInfo.osImage", UNKNOWN).value),
    wide("Kernel-Version", text("", ".status.nodeInfo.kernelVersion", UNKNOWN).value),
    wide("Container-Runtime", text("", ".status.nodeInfo.containerRuntimeVersion", UNKNOWN).value),
)
_DEPLOYMENTS = (
    NAME,
    Column(
        "Ready",
        lambda obj, _now: (
            f"{(obj.get('status') or {}).get('readyReplicas', 0)}/{obj['spec'].get('replicas', 1)}"
        ),
    ),
    number("Up-to-date", ".status.updatedReplicas", "string"),
    number("Available", ".status.availableReplicas", "string"),
    AGE,
    *WORKLOAD_WIDE,
)
_DAEMON_SETS = (
    NAME,
    number("Desired", ".status.desiredNumberScheduled"),
    number("Current", ".status.currentNumberScheduled"),
    number("Ready", ".status.numberReady"),
    number("Up-to-date", ".status.updatedNumberScheduled"),
    number("Available", ".status.numberAvailable"),
    Column(
        "Node Selector",
        lambda obj, _now: labels_text(obj["spec"]["template"]["spec"].get("nodeSelector")),
    ),
    AGE,
    *WORKLOAD_WIDE,
)
_REPLICA_SETS = (
    NAME,
    number("Desired", ".spec.replicas"),
    number("Current", ".status.replicas"),
    number("Ready", ".status.readyReplicas"),
    AGE,
    *WORKLOAD_WIDE,
)
_JOBS = (
    NAME,
    Column("Status", _job_status),
    Column("Completions", _job_completions),
    Column("Duration", _job_duration),
    AGE,
    wide("Containers", lambda job, _now: joined(c["name"] for c in containers_of(job))),
    wide("Images", lambda job, _now: joined(c.get("image", "") for c in containers_of(job))),
    wide("Selector", selector_text),
)
_EVENTS = (
    Column("Last Seen", _last_seen),
    text("Type", ".type", ""),
    text("Reason", ".reason", ""),
    Column("Object", _event_object),
    wide("Subobject", text("", ".involvedObject.fieldPath", "").value),
    wide("Source", _event_source),
    Column("Message", lambda event, _now: str(event.get("message", "")).strip()),
    wide("First Seen", _first_seen),
    wide("Count", lambda event, _now: str(event.get("count", 1))),
    Column("Name", NAME.value, priority=1, format="name"),
)
_SERVICES = (
    NAME,
    text("Type", ".spec.type", ""),
    text("Cluster-IP", ".spec.clusterIP"),
    Column("External-IP", lambda _obj, _now: NONE),
    Column("Port(s)", _service_ports),
    AGE,
    wide("Selector", lambda obj, _now: labels_text(obj.get("spec", {}).get("selector"))),
)
_BINDINGS = (
    NAME,
    Column("Role", lambda obj, _now: f"{obj['roleRef']['kind']}/{obj['roleRef']['name']}"),
    AGE,
    _subjects("User"),
    _subjects("Group"),
    _subjects("ServiceAccount"),
)

CORE_COLUMNS: dict[KindKey, tuple[Column, ...]] = {
    ("", "pods"): POD_COLUMNS,
    ("", "nodes"): _NODES,
    ("", "namespaces"): (NAME, text("Status", ".status.phase", ""), AGE),
    ("", "secrets"): (NAME, text("Type", ".type", ""), Column("Data", _data_count), AGE),
    ("", "configmaps"): (NAME, Column("Data", _data_count), AGE),
    ("", "serviceaccounts"): (NAME, AGE),
    ("", "services"): _SERVICES,
    ("", "events"): _EVENTS,
    ("apps", "deployments"): _DEPLOYMENTS,
    ("apps", "daemonsets"): _DAEMON_SETS,
    ("apps", "replicasets"): _REPLICA_SETS,
    ("apps", "controllerrevisions"): (
        NAME,
        Column("Controller", _controller),
        number("Revision", ".revision", "string"),
        AGE,
    ),
    ("batch", "jobs"): _JOBS,
    ("policy", "poddisruptionbudgets"): (
        NAME,
        text("Min Available", ".spec.minAvailable", "N/A"),
        text("Max Unavailable", ".spec.maxUnavailable", "N/A"),
        number("Allowed Disruptions", ".status.disruptionsAllowed"),
        AGE,
    ),
    ("coordination.k8s.io", "leases"): (NAME, text("Holder", ".spec.holderIdentity", ""), AGE),
    (_RBAC, "roles"): (NAME, CREATED),
    (_RBAC, "clusterroles"): (NAME, CREATED),
    (_RBAC, "rolebindings"): _BINDINGS,
    (_RBAC, "clusterrolebindings"): _BINDINGS,
    ("scheduling.k8s.io", "priorityclasses"): (
        NAME,
        number("Value", ".value"),
        Column("Global-Default", lambda obj, _now: bool(obj.get("globalDefault")), "boolean"),
        AGE,
        text("PreemptionPolicy", ".preemptionPolicy", ""),
    ),
    ("node.k8s.io", "runtimeclasses"): (NAME, text("Handler", ".handler", ""), AGE),
    ("apiextensions.k8s.io", "customresourcedefinitions"): (NAME, CREATED),
}
