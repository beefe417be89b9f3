"""The columns of pods: the one word that says how a pod is doing is worked out from many fields."""

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api.columns import AGE, NAME, NONE, Column, age, wide

_ENDED = frozenset({"Succeeded", "Failed"})


def _is_sidecar(pod: RawObject, name: str) -> bool:
    inits = pod["spec"].get("initContainers") or []
    return any(c["name"] == name and c.get("restartPolicy") == "Always" for c in inits)


def _ended_because(terminated: RawObject) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _init_reason(pod: RawObject, index: int, status: RawObject) -> str | None:
    """Return why an init container keeps the pod from starting, None when it does not."""
    state = status.get("state") or {}
    terminated, waiting = state.get("terminated"), state.get("waiting")
    if terminated and terminated.get("exitCode", 0) == 0:
        return None
    if _is_sidecar(pod, status["name"]) and status.get("started"):
        return None
    if terminated:
        return f"Init:{_ended_because(terminated)}"
    if waiting and waiting.get("reason") not in {None, "", "PodInitializing"}:
        return f"Init:{waiting['reason']}"
    return f"Init:{index}/{len(pod['spec'].get('initContainers') or [])}"


def _container_reason(status: RawObject, known: str) -> str:
    state = status.get("state") or {}
    waiting, terminated = state.get("waiting"), state.get("terminated")
    if waiting and waiting.get("reason"):
        return str(waiting["reason"])
    return _ended_because(terminated) if terminated else known


def _is_true(pod: RawObject, kind: str) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c["type"] == kind and c["status"] == "True" for c in conditions)


def reason(pod: RawObject, _now: float = 0) -> str:
    """Return the word of the Status column."""
    status = pod.get("status") or {}
    word = str(status.get("reason") or status.get("phase") or "Unknown")
    if word == "Pending" and any(c.get("reason") == "SchedulingGated" for c in _conditions(pod)):
        word = "SchedulingGated"
    waits = None
    for index, init in enumerate(status.get("initContainerStatuses") or []):
        waits = _init_reason(pod, index, init)
        if waits:
            break
    word = waits if waits and not _is_true(pod, "Initialized") else _running_reason(pod, word)
    if pod["metadata"].get("deletionTimestamp") and status.get("phase") not in _ENDED:
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return word


def _conditions(pod: RawObject) -> list[RawObject]:
    found: list[RawObject] = (pod.get("status") or {}).get("conditions") or []
    return found


def _running_reason(pod: RawObject, word: str) -> str:
    running = False
    for status in reversed((pod.get("status") or {}).get("containerStatuses") or []):
        word = _container_reason(status, word)
        running = running or bool(
            status.get("ready") and (status.get("state") or {}).get("running")
        )
    if word == "Completed" and running:
        return "Running" if _is_true(pod, "Ready") else "NotReady"
    return word


def _ready(pod: RawObject, _now: float) -> str:
    status = pod.get("status") or {}
    inits = status.get("initContainerStatuses") or []
    sidecars = [s for s in inits if _is_sidecar(pod, s["name"])]
    ready = sum(
        1
        for s in [*(status.get("containerStatuses") or []), *sidecars]
        if s.get("ready") and "running" in (s.get("state") or {})
    )
    total = len(pod["spec"]["containers"]) + len(sidecars)
    return f"{ready}/{total}"


def _restarts(pod: RawObject, now: float) -> str:
    status = pod.get("status") or {}
    inits = status.get("initContainerStatuses") or []
    statuses = status.get("containerStatuses") or []
    begun = any((s.get("state") or {}).get("waiting") is None for s in statuses)
    counted = statuses if begun or not inits else inits
    count = sum(s.get("restartCount", 0) for s in counted)
    last = [((s.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for s in counted]
    moments = [moment for moment in last if moment]
    return f"{count} ({age(max(moments), now)} ago)" if count and moments else str(count)


def _address(pod: RawObject, _now: float) -> str:
    return str((pod.get("status") or {}).get("podIP") or NONE)


def _gates(pod: RawObject, _now: float) -> str:
    gates = pod["spec"].get("readinessGates") or []
    if not gates:
        return NONE
    return f"{sum(_is_true(pod, g['conditionType']) for g in gates)}/{len(gates)}"


POD_COLUMNS = (
    NAME,
    Column("Ready", _ready),
    Column("Status", reason),
    Column("Restarts", _restarts),
    AGE,
    wide("IP", _address),
    wide("Node", lambda pod, _now: pod["spec"].get("nodeName") or NONE),
    wide(
        "Nominated Node",
        lambda pod, _now: (pod.get("status") or {}).get("nominatedNodeName") or NONE,
    ),
    wide("Readiness Gates", _gates),
)
