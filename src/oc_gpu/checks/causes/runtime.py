"""Layer container-toolkit: the configuration of the container runtime."""

import re

from oc_gpu.checks.case import Case, key
from oc_gpu.checks.catalogue import Result, Results
from oc_gpu.checks.causes.toolkit import (
    FAMILY,
    SEERS,
    unseen,
)
from oc_gpu.checks.components import PLUGIN, TOOLKIT, VALIDATOR, WORKLOAD
from oc_gpu.checks.model import Evidence, Severity
from oc_gpu.checks.quotes import Quote, any_of, cause, find, note, of_node, of_pod, result, shown
from oc_gpu.checks.troubles import CREATING
from oc_gpu.snapshot.kinds import Node, is_gpu

_NO_HANDLER = (
    'no runtime for "nvidia" is configured',
    'no runtime for "nvidia-cdi" is configured',
    'no runtime for "nvidia-legacy" is configured',
    "failed to get sandbox runtime: no runtime for",
    "unknown or invalid runtime name: nvidia",
    'runtime "nvidia" not found',
    "unknown runtime specified nvidia",
    "failed to find runtime handler nvidia",
    'failed to find runtime handler "nvidia',
    'runtime handler "nvidia" not',
    "runtimehandler nvidia not",
    'runtimehandler "nvidia" not',
)


_OWN_CONFIG = re.compile(r"\+(k3s|rke2)|microk8s|k0s", re.IGNORECASE)


def _runtime(node: Node) -> str:
    return node.status.node_info.container_runtime_version.partition(":")[0]


def _own_config(node: Node | None) -> str:
    """Return the distribution of a node that keeps containerd's configuration at its own place."""
    if node is None:
        return ""
    text = f"{node.status.node_info.kubelet_version} {' '.join(node.metadata.labels)}"
    match = _OWN_CONFIG.search(text)
    if match:
        return match[0].lstrip("+")
    labels = node.metadata.labels
    kinds = {"k3s.io/": "k3s", "microk8s.io/": "microk8s", "rke.cattle.io/": "rke2", "k0s": "k0s"}
    return next((v for k, v in kinds.items() if any(name.startswith(k) for name in labels)), "")


def _settings(case: Case) -> dict[str, str]:
    """Return the environment of the toolkit container."""
    found = {}
    for item in case.sets_of(TOOLKIT):
        for one in item.spec.template.spec.containers:
            found.update({variable.name: variable.value for variable in one.env})
    for pod in case.pods_of(TOOLKIT):
        for container in pod.spec.containers:
            found.update({variable.name: variable.value for variable in container.env})
    return found


def _quotes(case: Case, phrases: tuple[str, ...]) -> list[Quote]:
    return [q for q in find(case, phrases, None, ("event", "state", "log")) if q.live]


def _node_of(case: Case, quotes: list[Quote]) -> Node | None:
    named = [q.node for q in quotes if q.node] or [n.metadata.name for n in case.gpu_nodes]
    return case.node(named[0]) if named else None


_NO_CLASS = ('runtimeclass "nvidia" not found', 'runtimeclass.node.k8s.io "nvidia" not found')
"""How the API server refuses pods that ask for a RuntimeClass which is not there."""


def _not_for_crio(case: Case, says: str) -> Results:
    quotes = _quotes(case, _NO_HANDLER)
    node = _node_of(case, quotes)
    if quotes and node is not None and _runtime(node) == "cri-o":
        return (result(says, quotes, at=0.95),)
    refused = [q for q in find(case, _NO_CLASS, None, ("event", "state")) if q.live]
    if refused and all(_runtime(node) == "cri-o" for node in case.gpu_nodes):
        return (result(says, refused, at=0.9),)
    for one in case.troubles_of(WORKLOAD):
        pod = one.pod
        wanted = pod.spec.runtime_class_name
        on = case.node(pod.spec.node_name)
        if wanted.startswith("nvidia") and on is not None and _runtime(on) == "cri-o":
            if not one.fails and one.state not in ("ContainerCreating", "PodInitializing"):
                continue
            evidence = (
                Evidence(f"Pod/{pod.metadata.name}", f"runtimeClassName: {wanted}"),
                Evidence(f"status of Node/{pod.spec.node_name}", "the runtime is CRI-O"),
            )
            return (of_pod(pod, says, evidence, 0.8),)
    return ()


_NOT_HERE = (
    "containerd.sock*no such file",
    "containerd.sock*connection refused",
    "unable to load containerd config",
    "error: unable to load config",
    "unable to setup runtime",
    "error setting up runtime",
    "failed to load containerd config",
    "unable to restart containerd",
    "unable to flush config*containerd",
    "error signaling containerd",
    "config.toml*no such file",
    "unable to find containerd",
    "unable to dial*sock",
)
"""What the toolkit says that does not find the runtime where it was told to look."""


def _wrong_config(case: Case, says: str) -> Results:
    quotes = _quotes(case, _NO_HANDLER)
    said = [q for q in find(case, _NOT_HERE, (TOOLKIT,)) if q.live]
    quotes += [q for q in said if "docker" not in q.evidence.quote]
    if refused := _refused_config(case, says):
        return refused
    node = _node_of(case, quotes)
    own = _own_config(node)
    if node is None or _runtime(node) not in ("containerd", ""):
        return ()
    settings = _settings(case)
    told = settings.get("CONTAINERD_CONFIG", "") + settings.get("RUNTIME_CONFIG", "")
    fits = bool(told) and own[:3] in told
    stuck = [
        t
        for t in case.troubles_of(*SEERS)
        if t.fails and (t.container == "toolkit-validation" or t.state in CREATING)
    ]
    if own and not fits and (quotes or unseen(case) or stuck):
        evidence = (
            Evidence(f"status of Node/{node.metadata.name}", f"kubelet of {own}"),
            Evidence("environment of the toolkit", f"CONTAINERD_CONFIG: {told or 'not set'}"),
        )
        ours = case.sets_of(TOOLKIT) or case.pods_of(TOOLKIT)
        worked = any(map(is_gpu, node.status.capacity))
        at = 0.92 if quotes else 0.48 if worked else 0.8 if ours else 0.6
        if quotes:
            return (result(says, quotes, at=at, more=evidence),)
        name = node.metadata.name
        objects, names = (f"Node/{name}",), {"node": name}
        return (Result(Severity.ERROR, says, None, objects, evidence, confidence=at, about=names),)
    if quotes and (runs := _started_with(case, node, told)):
        return (result(says, quotes, at=0.9, more=runs),)
    only_toolkit = [q for q in quotes if q.component == TOOLKIT]
    return (result(says, only_toolkit, at=0.88),) if only_toolkit else ()


_STARTED = re.compile(r"\bcontainerd\b[^\n]*?\s--?c(?:onfig)?[ =](\S+\.toml)")
_PROCESSES = ("ps", "ps_aux", "ps_auxwww", "ps_auxwwwm", "ps_alxwww")
"""Files of a sosreport that list processes with their arguments."""


def _started_with(case: Case, node: Node, told: str) -> tuple[Evidence, ...]:
    """Return with which other configuration than the toolkit's a node's containerd was started."""
    for ref, texts in case.texts_of_nodes(*_PROCESSES):
        for text in texts if ref.node == node.metadata.name else ():
            for line in text.find(("containerd", "toml")):
                match = _STARTED.search(line.text)
                if match is not None and told and match[1] not in told:
                    toolkit = Evidence("environment of the toolkit", f"CONTAINERD_CONFIG: {told}")
                    return (Evidence(f"{ref.where}:{line.number}", shown(match[0])), toolkit)
    return ()


_GENERATED = "/agent/etc/containerd/config.toml"
"""The file that k3s and RKE2 make anew each time they start, at its place in their folder."""


def _written_over(case: Case, says: str) -> Results:
    """Note a default runtime that is written where the distribution writes over it."""
    given = case.setting("toolkit", "env")
    env = {str(one.get("name")): str(one.get("value")) for one in given or [] if one}
    env |= _settings(case)
    told = env.get("CONTAINERD_CONFIG", "") or env.get("RUNTIME_CONFIG", "")
    wanted = env.get("CONTAINERD_SET_AS_DEFAULT", "") or env.get("NVIDIA_RUNTIME_SET_AS_DEFAULT")
    nodes = [n for n in case.gpu_nodes if _own_config(n) in ("k3s", "rke2")]
    if wanted != "true" or not told.endswith(_GENERATED) or not nodes:
        return ()
    del says
    evidence = (
        Evidence("environment of the toolkit", f"CONTAINERD_CONFIG: {told}"),
        Evidence("environment of the toolkit", "CONTAINERD_SET_AS_DEFAULT: true"),
    )
    return (note(of_node(nodes[0], _LOST, evidence, 0.4)),)


_LOST = (
    "the toolkit is to make NVIDIA's runtime the default one in a file that this distribution "
    "makes anew at each start, so that workloads without RuntimeClass may not see the driver"
)


_REFUSED = (
    "containerd: drop-in config*",
    "containerd*failed to load toml",
    "containerd*failed to load*config",
    "containerd*invalid*config",
    "containerd*config version*",
    "containerd*toml: ",
)
"""What containerd says of a configuration that it does not take, in the journal of a node."""


def _refused_config(case: Case, says: str) -> Results:
    """Find GPU nodes whose runtime does not come up any more since the toolkit wrote its part."""
    for node in case.silent_nodes:
        told, name = node.ready, node.metadata.name
        down = told is not None and "container runtime is down" in told.message
        if not down or not case.pods_on(name, TOOLKIT) or _runtime(node) != "containerd":
            continue
        evidence = Evidence(f"condition Ready of Node/{name}", told.message if told else "")
        quotes = [q for q in find(case, _REFUSED, None, ("kernel",)) if q.node == name]
        if quotes:
            return (result(says, quotes, at=0.93, more=(evidence,)),)
        return (of_node(node, says, (evidence,), 0.66),)
    return ()


def _overwritten(case: Case, says: str) -> Results:
    files = _containerd_files(case)
    quotes = _quotes(case, _NO_HANDLER)
    node = _node_of(case, quotes)
    if node is not None and (_runtime(node) == "cri-o" or _own_config(node)):
        return ()
    if files and (quotes or unseen(case) or case.unwell or case.troubles_of(WORKLOAD)):
        return (
            (result(says, quotes, at=0.9, more=files),)
            if quotes
            else (Result(Severity.ERROR, says, evidence=files, confidence=0.88),)
        )
    running = [p for p in case.pods_of(TOOLKIT) if key(p) not in case.trouble]
    if quotes and running:
        ready = Evidence(
            f"status of Pod/{running[0].metadata.name}", "ready: it has written its runtime"
        )
        return (result(says, quotes, at=0.8, more=(ready,)),)
    if files and running:
        return (Result(Severity.ERROR, says, evidence=files, confidence=0.55),)
    return ()


_ELSEWHERE = re.compile(r'nvidia|(?m:^\s*imports\s*=.*"(?!/etc/containerd/config\.toml")/)')
"""The runtime, or that it may stand in another file that this one takes in."""


def _containerd_files(case: Case) -> tuple[Evidence, ...]:
    """Return configurations of containerd without NVIDIA's runtime."""
    return tuple(
        Evidence(ref.where, "names no runtime nvidia")
        for ref, texts in case.texts_of_nodes("containerd/config.toml")
        if texts and not any(_ELSEWHERE.search(text.content) for text in texts)
    )


_HOOKS = "/run/containers/oci/hooks.d"


def _hooks(case: Case, says: str) -> Results:
    for ref, texts in case.texts_of_nodes("crio.conf", "/00-default", "crio.conf.d/00-default"):
        content = "\n".join(text.content for text in texts)
        if "hooks_dir" in content and _HOOKS not in content and case.unwell:
            evidence = (
                Evidence(ref.where, f"hooks_dir does not name {_HOOKS}"),
                *(quote.evidence for quote in unseen(case)[:1]),
            )
            objects, told = (f"Node/{ref.node}",), {"node": ref.node}
            return (
                Result(Severity.ERROR, says, None, objects, evidence, confidence=0.95, about=told),
            )
    quotes = [q for q in unseen(case) if q.component == VALIDATOR]
    node = _node_of(case, quotes)
    core = node is not None and "CoreOS" in node.status.node_info.os_image
    if quotes and node is not None and _runtime(node) == "cri-o" and not core:
        return (result(says, quotes, at=0.84),)
    return ()


def _without_handlers(case: Case, says: str) -> Results:
    """Find Docker asked for a runtime by a RuntimeClass: through the kubelet it knows none."""
    quotes = _quotes(case, ('runtimehandler "*" not supported',))
    node = _node_of(case, quotes)
    if not quotes or node is None or _runtime(node) != "docker":
        return ()
    evidence = [Evidence(f"status of Node/{node.metadata.name}", "the runtime is Docker")]
    if told := case.setting("operator", "defaultRuntime"):
        evidence.append(Evidence("ClusterPolicy", f"spec.operator.defaultRuntime: {told}"))
    return (
        result(says, quotes, at=0.92 if told not in (None, "docker") else 0.8, more=(*evidence,)),
    )


_RUNTIMES = {"cri-o": ("crio", "cri-o"), "containerd": ("containerd",), "docker": ("docker",)}


def _wrong_runtime(case: Case, says: str) -> Results:
    told = _settings(case).get("RUNTIME", "") or (
        str(case.setting("operator", "defaultRuntime") or "") if case.sets_of(TOOLKIT) else ""
    )
    quotes = [
        q
        for q in find(
            case,
            (
                "docker.sock*no such file",
                "unable to dial*docker.sock",
                "docker.sock: connect",
                "/etc/docker*no such file",
                "cannot connect to the docker daemon",
                "unit docker.service not found",
                "unable to restart docker",
                "unable to load docker config",
                "error signaling docker",
                "sending sighup signal to docker",
            ),
            (TOOLKIT,),
            ("log", "event", "state"),
        )
        if q.live
    ]
    for node in case.gpu_nodes:
        runs = _runtime(node)
        if runs in _RUNTIMES and told and told not in _RUNTIMES[runs] and case.unwell:
            name = node.metadata.name
            evidence = (
                Evidence("environment of the toolkit", f"RUNTIME: {told}"),
                Evidence(
                    f"status of Node/{name}",
                    f"containerRuntimeVersion: {node.status.node_info.container_runtime_version}",
                ),
                *(quote.evidence for quote in quotes[:1]),
            )
            if not (quotes or case.troubles_of(TOOLKIT, VALIDATOR, PLUGIN) or unseen(case)):
                continue
            objects, names = (f"Node/{name}",), {"node": name}
            return (
                Result(Severity.ERROR, says, None, objects, evidence, confidence=0.93, about=names),
            )
    return (result(says, quotes, at=0.85),) if quotes else ()


WRONG_RUNTIME = cause(
    "OCG0920",
    "toolkit-wrong-runtime",
    FAMILY,
    "container-toolkit",
    title="the toolkit sets up the runtime that the nodes run",
    says="the toolkit is configured for another container runtime than the node runs",
    means="operator.defaultRuntime says docker, containerd or crio; older releases take what it "
    "says, whatever the "
    "nodes run.",
    remedy=(
        "oc get node {node} -o jsonpath='{.status.nodeInfo.containerRuntimeVersion}'",
        (
            "oc patch clusterpolicy gpu-cluster-policy --type merge -p "
            '\'{"spec":{"operator":{"defaultRuntime":"crio"}}}\''
        ),
    ),
    look=any_of(_wrong_runtime, _without_handlers),
)


NOT_FOR_CRIO = cause(
    "OCG0923",
    "runtimeclass-not-applicable-crio",
    FAMILY,
    "container-toolkit",
    title="no workload on CRI-O asks for the RuntimeClass nvidia",
    says="a workload asks for the RuntimeClass nvidia on CRI-O, where no such handler exists",
    means="On CRI-O the toolkit installs a hook or CDI devices instead of a runtime, so pods need "
    "no RuntimeClass.",
    remedy=("remove runtimeClassName: nvidia from the workload of {pod}",),
    look=_not_for_crio,
)


WRONG_CONFIG = cause(
    "OCG0924",
    "toolkit-wrong-containerd-config",
    FAMILY,
    "container-toolkit",
    title="the toolkit writes the configuration that the node's containerd reads",
    says="the toolkit writes its runtime to a containerd configuration or socket that this "
    "distribution does not use",
    means="k3s, RKE2, microk8s and k0s keep containerd's configuration and socket at places of "
    "their own; the toolkit "
    "has to be told.",
    remedy=(
        "set toolkit.env CONTAINERD_CONFIG and CONTAINERD_SOCKET in the ClusterPolicy",
        "k3s, RKE2: default-runtime: nvidia in /etc/rancher/DISTRIBUTION/config.yaml of {node}",
        (
            "k3s, RKE2: /var/lib/rancher/DISTRIBUTION/agent/etc/containerd/config.toml.tmpl, "
            "/run/k3s/containerd/containerd.sock"
        ),
    ),
    look=any_of(_wrong_config, _written_over),
)


OVERWRITTEN = cause(
    "OCG0925",
    "containerd-config-overwritten",
    FAMILY,
    "container-toolkit",
    title="containerd's configuration holds the NVIDIA runtime",
    says="the containerd configuration with the NVIDIA runtime was overwritten after the toolkit "
    "wrote it",
    means="Something else manages the file (a node bootstrap, a configuration management) and "
    "wrote it anew; the toolkit "
    "writes at its start only.",
    remedy=(
        "oc debug node/{node} -- chroot /host grep -n nvidia /etc/containerd/config.toml",
        (
            "oc delete pod -l app=nvidia-container-toolkit-daemonset -n {namespace}   # writes it "
            "again"
        ),
    ),
    look=_overwritten,
)


HOOKS = cause(
    "OCG0927",
    "crio-hooks-dir-missing",
    FAMILY,
    "container-toolkit",
    title="CRI-O reads the folder of the toolkit's hook",
    says="CRI-O is not configured to read the folder in which the toolkit installs its OCI hook",
    means="The toolkit writes its hook to /run/containers/oci/hooks.d, which CRI-O reads on "
    "OpenShift; elsewhere "
    "crio.conf has to name it.",
    remedy=(
        'add "/run/containers/oci/hooks.d" to hooks_dir in /etc/crio/crio.conf of {node}',
        "systemctl restart crio   # on {node}",
    ),
    look=_hooks,
)


CAUSES = (
    WRONG_RUNTIME,
    NOT_FOR_CRIO,
    WRONG_CONFIG,
    OVERWRITTEN,
    HOOKS,
)
