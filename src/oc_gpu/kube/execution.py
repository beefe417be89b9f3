"""Commands in containers, over the remote command protocol on a WebSocket.

Each message begins with a byte that names its channel: 0 stdin, 1 stdout, 2 stderr, 3 the
`Status` that tells how it ended. Version 5 adds channel 255, which closes the channel named in
its second byte; before it nothing could tell a command that its input has ended (KEP-4006).
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from oc_gpu.kube.codec import Status, decoder
from oc_gpu.kube.errors import Asked, ConnectionFailedError, OcGpuError
from oc_gpu.kube.objects import ExecResult
from oc_gpu.kube.resources import PODS
from oc_gpu.kube.sending import Call, Sender
from oc_gpu.kube.transport import WebSocket

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
_STDIN, _STDOUT, _STDERR, _ERROR, _CLOSE = 0, 1, 2, 3, 255
_PIECE = 32 * 1024
"""Bytes of stdin in one message; servers bound the size of a message."""


class Flow(Struct, frozen=True):
    """What goes into a command, and who takes what it writes.

    Attributes:
        stdin: Its standard input in pieces, None for none.
        bounded: Whether the command knows by itself where its input ends.
        take: Takes each piece of standard output; None collects them for the result.
    """

    stdin: Iterable[bytes] | None = None
    bounded: bool = False
    take: Callable[[bytes], object] | None = None


class Command:
    """One command for one container."""

    def __init__(
        self,
        namespace: str,
        pod: str,
        argv: Sequence[str],
        flow: Flow,
        *,
        container: str | None = None,
    ) -> None:
        self.asked = Asked("exec", PODS, pod, namespace, "exec")
        self.flow = flow
        query = [("command", part) for part in argv]
        query += [("container", container)] if container else []
        query += [("stdin", "true")] if flow.stdin is not None else []
        query += [("stdout", "true"), ("stderr", "true")]
        self.target = f"{PODS.path(namespace, pod, 'exec')}?{urlencode(query)}"

    async def run(self, sender: Sender) -> ExecResult:
        """Run it and return what it wrote and its exit code.

        Raises:
            ApiError: The server refused, or the command could not be started.
            ConnectionFailedError: The connection ended before the command.
            OcGpuError: The server is too old to close the command's standard input.
        """
        socket = await sender.upgrade(Call(self.asked, "GET", self.target), (V5, V4))
        try:
            self._check_input(socket)
            feeder = asyncio.create_task(self._feed(socket))
            try:
                output, status = await _collect(socket, self.flow.take)
            finally:
                feeder.cancel()
                await asyncio.gather(feeder, return_exceptions=True)
        finally:
            await socket.close()
        return ExecResult(
            output[_STDOUT].decode(errors="replace"),
            output[_STDERR].decode(errors="replace"),
            self._exit_code(status),
        )

    def _check_input(self, socket: WebSocket) -> None:
        endless = self.flow.stdin is not None and not self.flow.bounded
        if endless and socket.subprotocol != V5:
            message = (
                f"cannot {self.asked}: this server cannot close a command's standard input "
                f"(it speaks {V4}, Kubernetes older than 1.30)"
            )
            raise OcGpuError(
                message,
                hints=("pass the input as an argument instead",),
            )

    async def _feed(self, socket: WebSocket) -> None:
        """Send standard input while output is read, else both sides could wait for each other."""
        if self.flow.stdin is None:
            return
        for given in self.flow.stdin:
            for start in range(0, len(given), _PIECE):
                await socket.send(bytes([_STDIN]) + given[start : start + _PIECE])
        if socket.subprotocol == V5:
            await socket.send(bytes([_CLOSE, _STDIN]))

    def _exit_code(self, status: Status | None) -> int:
        if status is None:
            message = f"cannot {self.asked}: the connection ended before the command did"
            raise ConnectionFailedError(
                message,
                hints=("the container or its node may have stopped; look at the pod",),
            )
        if status.status == "Success":
            return 0
        for cause in status.causes:
            if cause.reason == "ExitCode" and cause.message.isdigit():
                return int(cause.message)
        raise status.error(self.asked, status.code or 500)


async def _collect(
    socket: WebSocket, take: Callable[[bytes], object] | None
) -> tuple[dict[int, bytearray], Status | None]:
    output = {_STDOUT: bytearray(), _STDERR: bytearray()}
    status: Status | None = None
    while (message := await socket.receive()) is not None:
        channel, data = (message[0], message[1:]) if message else (_CLOSE, b"")
        if channel == _STDOUT and take is not None:
            take(data)
        elif channel in output:
            output[channel] += data
        elif channel == _ERROR:
            status = _told(data)
    return output, status


def _told(data: bytes) -> Status:
    # Kubelets leave out `kind` here, unlike in the body of a refused request.
    try:
        status: Status = decoder(Status).decode(data)
    except msgspec.DecodeError:
        status = Status()
    if status.status:
        return status
    return Status(status="Failure", message=data.decode(errors="replace"))
