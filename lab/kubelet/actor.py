"""The simulator's node actor as what stands behind the kubelets' API."""

import math
from collections.abc import AsyncIterator, Sequence

from lab.kubelet.backend import JournalQuery, LogOptions, RefusedError, Streams
from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import PODS
from oc_gpu.sim.actors.kubelet import Kubelets
from oc_gpu.sim.api import backend as sim
from oc_gpu.sim.api.messages import StatusError

_PIECE = 1 << 15
_FORMATS = ("", "short-precise")


class NodeActor:
    """Answers from the machines that the simulator's kubelets play.

    Args:
        kubelets: The actor; it must run.
    """

    def __init__(self, kubelets: Kubelets) -> None:
        self._kubelets = kubelets

    def answers(self, node: str) -> bool:
        """Tell whether a machine is up."""
        machine = self._kubelets.machines.get(node)
        return machine is not None and machine.is_up

    def pods(self, node: str) -> Sequence[RawObject]:
        """Return the pods that are bound to a machine."""
        pods = self._kubelets.cache(PODS).list()
        return [pod for pod in pods if pod["spec"].get("nodeName") == node]

    def pod(self, node: str, namespace: str, name: str) -> RawObject | None:
        """Return a pod that is bound to a machine, None when there is no such one."""
        pod = self._kubelets.cache(PODS).get(name, namespace)
        return pod if pod is not None and pod["spec"].get("nodeName") == node else None

    def runs(self, pod: RawObject, container: str) -> bool:
        """Tell whether a container of a pod runs now."""
        workers = self._kubelets.workers_on(pod["spec"]["nodeName"])
        worker = next((w for w in workers if w.uid == pod["metadata"]["uid"]), None)
        run = worker.state.find(container) if worker else None
        return run is not None and "running" in run.state

    async def logs(
        self, pod: RawObject, container: str, options: LogOptions
    ) -> AsyncIterator[bytes]:
        """Return a container's log in pieces.

        Raises:
            RefusedError: There is none.
        """
        wanted = sim.LogOptions(
            follow=options.follow,
            previous=options.previous,
            tail_lines=options.tail_lines,
            since_seconds=self._since(options),
            timestamps=options.timestamps,
        )
        try:
            return await self._kubelets.logs(pod, container, wanted)
        except StatusError as error:
            raise RefusedError(error.code, error.message) from error

    async def exec(
        self, pod: RawObject, container: str, command: Sequence[str], streams: Streams
    ) -> int:
        """Run a command that is played all at once, when its whole input is there.

        A terminal's input is not waited for: it ends with the command, not before it.
        """
        parts = [] if streams.tty else [piece async for piece in streams.stdin]
        out, err, code = await self._kubelets.exec(pod, container, command, b"".join(parts))
        for output, write in ((out, streams.write_out), (err, streams.write_err)):
            for start in range(0, len(output), _PIECE):
                await write(output[start : start + _PIECE])
        return code

    async def journal(self, node: str, query: JournalQuery) -> str:
        """Return the kernel's messages since a machine's boot: all that its journal holds.

        Raises:
            RefusedError: The machine is down, or more is asked of its journal than is played.
        """
        asked = {k: v for k, v in query.others.items() if k != "output" or v not in _FORMATS}
        if asked:
            names = ", ".join(sorted(asked))
            raise RefusedError(
                400, f"the journal of the lab's machines cannot be asked for {names}"
            )
        prefix = "" if query.case_sensitive or not query.pattern else "(?i)"
        text = await self._kubelets.journal(node, prefix + query.pattern)
        if text is None:
            raise RefusedError(503, f"node {node} does not answer")
        head, *lines = text.splitlines()
        if query.boot or query.units:
            lines = []
        lines = lines[len(lines) - query.tail_lines :] if query.tail_lines else lines
        return "\n".join((head, *(lines or ("-- No entries --",)))) + "\n"

    def _since(self, options: LogOptions) -> int | None:
        if options.since_time is None:
            return options.since_seconds
        return math.ceil(self._kubelets.clock.now() - options.since_time)
