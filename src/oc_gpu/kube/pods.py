"""Verbs of pods: logs and commands in containers."""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing

from oc_gpu.kube.errors import Asked
from oc_gpu.kube.listing import with_query
from oc_gpu.kube.objects import ExecResult
from oc_gpu.kube.resources import PODS
from oc_gpu.kube.sending import Call
from oc_gpu.kube.session import Session
from oc_gpu.kube.watching import lines


class PodVerbs(Session):
    """Verbs that only pods know."""

    async def logs(  # noqa: PLR0913 - each is a parameter of the API
        self,
        namespace: str,
        pod: str,
        *,
        container: str | None = None,
        tail: int | None = None,
        most: int | None = None,
        previous: bool = False,
        since: int | None = None,
    ) -> str:
        """Return what a container has written so far.

        Args:
            namespace: Namespace of the pod.
            pod: Its name.
            container: Its container, needed where there are several.
            tail: Lines of the end; None for all.
            most: Bytes, from the first of those lines on, after which the server stops.
            previous: Whether the instance before the present one is meant.
            since: Seconds of age after which lines are left out; None for none.
        """
        target = _log_target(
            namespace,
            pod,
            container,
            tail,
            limitBytes=most,
            sinceSeconds=since,
            previous="true" if previous else None,
        )
        call = Call(_log_asked(namespace, pod), "GET", target, accept="*/*", repeatable=True)
        return (await self._sender.send(call)).body.decode(errors="replace")

    async def follow_logs(
        self, namespace: str, pod: str, *, container: str | None = None, tail: int | None = None
    ) -> AsyncGenerator[str]:
        """Yield the lines of a container as it writes them, until it ends."""
        target = _log_target(namespace, pod, container, tail, follow="true")
        call = Call(_log_asked(namespace, pod), "GET", target, accept="*/*")
        async with (
            self._sender.open(call) as response,
            aclosing(lines(response, unfinished=True)) as received,
        ):
            async for line in received:
                yield line.decode(errors="replace")

    async def exec(
        self,
        namespace: str,
        pod: str,
        command: Sequence[str],
        *,
        container: str | None = None,
        stdin: bytes | None = None,
    ) -> ExecResult:
        """Run a command in a container and return what it wrote and its exit code.

        Raises:
            ApiError: The server refused, or the command could not be started.
            ConnectionFailedError: The connection ended before the command.
        """
        from oc_gpu.kube.execution import Command, Flow  # noqa: PLC0415 - few commands run any

        flow = Flow(None if stdin is None else (stdin,))
        return await Command(namespace, pod, command, flow, container=container).run(self._sender)

    async def pipe(
        self,
        namespace: str,
        pod: str,
        command: Sequence[str],
        *,
        container: str,
        feed: Iterable[bytes] | None = None,
        take: Callable[[bytes], object] | None = None,
    ) -> ExecResult:
        """Run a command whose input or output is too large to be held at once.

        Args:
            namespace: Namespace of the pod.
            pod: Name of the pod.
            command: The command; it has to know by itself where its input ends, since servers
                before Kubernetes 1.30 cannot tell it.
            container: Name of the container.
            feed: Pieces of its standard input.
            take: Takes the pieces of its standard output.

        Raises:
            ApiError: The server refused, or the command could not be started.
            ConnectionFailedError: The connection ended before the command.
        """
        from oc_gpu.kube.execution import Command, Flow  # noqa: PLC0415

        flow = Flow(feed, bounded=True, take=take)
        return await Command(namespace, pod, command, flow, container=container).run(self._sender)


def _log_asked(namespace: str, pod: str) -> Asked:
    return Asked("logs", PODS, pod, namespace, "log")


def _log_target(
    namespace: str, pod: str, container: str | None, tail: int | None, **more: str | int | None
) -> str:
    return with_query(PODS.path(namespace, pod, "log"), container=container, tailLines=tail, **more)
