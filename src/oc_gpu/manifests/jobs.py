"""A Job that runs a user's program, with its script, its files in and its files out.

Files go in before the program starts: an init container waits until they were unpacked beside it.
Files come out after it has ended: a container beside it keeps the pod, and stays for as long as it
takes to fetch them. Both wait at named pipes, and both give up by themselves, so that a client that
died never keeps a GPU for long.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import JOBS
from oc_gpu.manifests.labels import labels
from oc_gpu.manifests.pods import on_node, security

STAGE = "run"
MAIN, FILES_IN, FILES_OUT = "main", "files-in", "files-out"
"""Names of the containers: the program, what waits for its files, what keeps what it wrote."""
SCRIPTS = "/oc-gpu/script"
WORK = "/oc-gpu/files"
OUTPUT = "/oc-gpu/output"
OUTPUT_VARIABLE = "OC_GPU_OUTPUT"
"""Tells the program where to put what is to be brought back."""
CONTROL = "/oc-gpu/control"
CA_FOLDER = "/oc-gpu/ca"
CA_FILE = "ca-bundle.crt"
_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""What OpenSSL, Python's requests and curl read."""
_INJECT = "config.openshift.io/inject-trusted-cabundle"
"""The network operator writes the cluster's bundle into ConfigMaps with this label."""
QUEUE = "kueue.x-k8s.io/queue-name"
LOCALLY = "oc-gpu.io/run-locally"
"""Annotation by which a simulated cluster runs the pod as a process of its machine."""
PATIENCE = 900
"""Seconds that a pod waits for its files to come or to be fetched, the GPU in its hands."""
_EXECUTABLE = 0o755
_GO = "go"

WAIT_IN = f"""mkfifo {CONTROL}/in 2>/dev/null
(sleep {PATIENCE}; echo late > {CONTROL}/in) &
read told < {CONTROL}/in
[ "$told" = {_GO} ]"""
"""The pipe may be there already, or a file in its place, when the files were faster."""
HOLD = f"""mkfifo {CONTROL}/alive 2>/dev/null
exec 9> {CONTROL}/alive
exec "$@\""""
"""The program keeps the pipe open, so that its end is seen from the container beside it."""
WAIT_OUT = f"""mkfifo {CONTROL}/alive {CONTROL}/out 2>/dev/null
read nothing < {CONTROL}/alive
(sleep {PATIENCE}; echo late > {CONTROL}/out) &
read told < {CONTROL}/out
[ "$told" = {_GO} ]"""
FilesWay = Literal["in", "out"]


def release(way: FilesWay) -> str:
    """Return the command that lets a waiting container go on."""
    return f"echo {_GO} > {CONTROL}/{way}"


class Limits(Struct, frozen=True):
    """What the program may use; empty means no limit of ours.

    Attributes:
        gpus: Extended resources, such as `nvidia.com/gpu` -> 1.
        cpu: Cores, as a quantity.
        memory: Memory, as a quantity.
    """

    gpus: Mapping[str, int] = {}
    cpu: str = ""
    memory: str = ""

    @property
    def resources(self) -> RawObject:
        """Return them as a container has them."""
        told = {name: str(count) for name, count in self.gpus.items() if count}
        own = {"cpu": self.cpu, "memory": self.memory}
        return {"limits": {**told, **{name: text for name, text in own.items() if text}}}


class Site(Struct, frozen=True):
    """What of the cluster a Job has to fit.

    Attributes:
        tolerations: For the taints of the nodes that it may go to.
        node_selector: Labels of these nodes.
        node: The one node that it may go to, empty for any.
        env: Proxy settings.
        ca: Whether the cluster has certificates of its own that programs need.
        strict: Whether the namespace admits only pods that promise not to run as root.
        simulated: Whether the cluster is a simulation.
    """

    tolerations: tuple[RawObject, ...] = ()
    node_selector: Mapping[str, str] = {}
    node: str = ""
    env: tuple[RawObject, ...] = ()
    ca: bool = False
    strict: bool = False
    simulated: bool = False


class Task(Struct, frozen=True):
    """What a Job is to do.

    Attributes:
        name: Name of the Job and of what belongs to it.
        namespace: Where it goes.
        image: Image of all its containers.
        command: What runs; empty leaves it to the image.
        scripts: Files that come by ConfigMap, by name.
        env: Variables of the user.
        limits: What it may use.
        files_in: Whether files are sent before it starts.
        files_out: Whether files are fetched after its end.
        queue: Queue of Kueue, empty for none.
        keep: Seconds for which the ended Job is kept where nobody removes it.
    """

    name: str
    namespace: str
    image: str
    command: tuple[str, ...] = ()
    scripts: Mapping[str, bytes] = {}
    env: Mapping[str, str] = {}
    limits: Limits = Limits()
    files_in: bool = False
    files_out: bool = False
    queue: str = ""
    keep: int = 3600


def job(task: Task, site: Site) -> RawObject:
    """Return the Job; it starts one pod, once."""
    labelled = labels(STAGE)
    notes = {LOCALLY: "true"} if site.simulated else {}
    queued = {QUEUE: task.queue} if task.queue else {}
    return {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "metadata": {
            "name": task.name,
            "namespace": task.namespace,
            "labels": labels(STAGE, queued),
        },
        "spec": {
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": task.keep,
            **({"suspend": True} if task.queue else {}),
            "template": {
                "metadata": {"labels": labelled, **({"annotations": notes} if notes else {})},
                "spec": _pod(task, site),
            },
        },
    }


def _pod(task: Task, site: Site) -> RawObject:
    spec: RawObject = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "containers": [*([_files_out(task)] if task.files_out else []), _main(task, site)],
        "volumes": [*_volumes(task, site)],
    }
    if task.files_in:
        spec["initContainers"] = [_waiting(FILES_IN, WAIT_IN, task)]
    if site.strict:
        profile = {"seccompProfile": {"type": "RuntimeDefault"}}
        spec["securityContext"] = {"runAsNonRoot": True, **profile}
    if site.tolerations:
        spec["tolerations"] = list(site.tolerations)
    if site.node_selector:
        spec["nodeSelector"] = dict(site.node_selector)
    if site.node:
        spec["affinity"] = on_node(site.node)
    return spec


def _main(task: Task, site: Site) -> RawObject:
    command = list(task.command)
    if task.files_out:
        command = ["sh", "-c", HOLD, "sh", *command]
    container: RawObject = {
        "name": MAIN,
        "image": task.image,
        "env": _env(task, site),
        "resources": task.limits.resources,
        "securityContext": security(),
        "volumeMounts": [*_mounts(task, site)],
    }
    if command:
        container["command"] = command
    if _has_folder(task):
        container["workingDir"] = WORK
    return container


def _has_folder(task: Task) -> bool:
    """Tell whether the program works in a folder of ours rather than in the image's."""
    return bool(task.scripts) or task.files_in


def _env(task: Task, site: Site) -> list[RawObject]:
    # A user without an entry in the image's /etc/passwd has / for a home, and may not write there.
    own = {one["name"]: one["value"] for one in site.env}
    if _has_folder(task):
        own["HOME"] = WORK
    if task.files_out:
        own[OUTPUT_VARIABLE] = OUTPUT
    if site.ca:
        own |= dict.fromkeys(_CA_VARIABLES, f"{CA_FOLDER}/{CA_FILE}")
    return [{"name": name, "value": value} for name, value in {**own, **task.env}.items()]


def _files_out(task: Task) -> RawObject:
    return _waiting(FILES_OUT, WAIT_OUT, task)


def _waiting(name: str, script: str, task: Task) -> RawObject:
    """Return a container that waits at a pipe; it takes the image that is there anyway."""
    where = {FILES_IN: ("work", WORK), FILES_OUT: ("output", OUTPUT)}[name]
    return {
        "name": name,
        "image": task.image,
        "command": ["sh", "-c", script],
        "securityContext": security(),
        "volumeMounts": [_mount(*where), _mount("control", CONTROL)],
    }


def _mount(name: str, path: str, **more: bool) -> RawObject:
    return {"name": name, "mountPath": path, **more}


def _mounts(task: Task, site: Site) -> list[RawObject]:
    mounts = []
    if task.scripts:
        mounts.append(_mount("script", SCRIPTS, readOnly=True))
    if _has_folder(task):
        mounts.append(_mount("work", WORK))
    if task.files_out:
        mounts += [_mount("output", OUTPUT), _mount("control", CONTROL)]
    if site.ca:
        mounts.append(_mount("ca", CA_FOLDER, readOnly=True))
    return mounts


def _volumes(task: Task, site: Site) -> list[RawObject]:
    folders = {
        "work": _has_folder(task),
        "output": task.files_out,
        "control": task.files_in or task.files_out,
    }
    volumes: list[RawObject] = [
        {"name": name, "emptyDir": {}} for name, needed in folders.items() if needed
    ]
    if task.scripts:
        source = {"name": task.name, "defaultMode": _EXECUTABLE}
        volumes.append({"name": "script", "configMap": source})
    if site.ca:
        # With its key named, the kubelet waits until the network operator has filled it in.
        item = {"key": CA_FILE, "path": CA_FILE}
        volumes.append({"name": "ca", "configMap": {"name": _ca_name(task), "items": [item]}})
    return volumes


def _ca_name(task: Task) -> str:
    return f"{task.name}-ca"


def config_maps(task: Task, site: Site, owner: RawObject) -> tuple[RawObject, ...]:
    """Return the ConfigMaps that a Job's pod waits for; they go when the Job goes.

    Args:
        task: What the Job does.
        site: What it fits.
        owner: The Job as the server has it.
    """
    made = []
    if task.scripts:
        made.append(_config_map(task, task.name, owner) | {"binaryData": _encoded(task.scripts)})
    if site.ca:
        asking = _config_map(task, _ca_name(task), owner)
        asking["metadata"]["labels"][_INJECT] = "true"
        made.append(asking)
    return tuple(made)


def _encoded(files: Mapping[str, bytes]) -> dict[str, str]:
    from base64 import b64encode  # noqa: PLC0415  (few commands run any Job)

    return {name: b64encode(content).decode() for name, content in files.items()}


def _config_map(task: Task, name: str, owner: RawObject) -> RawObject:
    reference = {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": task.namespace,
            "labels": labels(STAGE),
            "ownerReferences": [reference],
        },
    }
