"""Commands in containers over a WebSocket: Kubernetes' remote command protocol, v5 and v4.

Each message begins with the number of its channel. Version 5 lets the client close its side of
standard input; version 4 cannot say when the input ends.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api.messages import StatusError
from oc_gpu.sim.api.pods import ExecCall

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
_STDIN, _STDOUT, _STDERR, _ERROR, _CLOSE = 0, 1, 2, 3, 255
_PIECE = 32 * 1024
_INPUT_PAUSE = 0.2
"""Wall seconds without input after which a version 4 client is taken to have sent it all."""


class Channel(Protocol):
    """An open WebSocket, seen from the server."""

    async def receive(self) -> bytes | None:
        """Return the next message, None when the client has gone."""

    async def send(self, message: bytes) -> None:
        """Send a message."""


def choose(offered: Sequence[str]) -> str:
    """Return the best protocol that the client speaks too.

    Raises:
        StatusError: 400, there is none.
    """
    for protocol in (V5, V4):
        if protocol in offered:
            return protocol
    raise StatusError(400, "BadRequest", f"no subprotocol in common: this side has {V5}, {V4}")


async def run(call: ExecCall, channel: Channel, protocol: str) -> None:
    """Run a command, send what it wrote and how it ended."""
    given = await _input(channel, protocol) if call.stdin else b""
    try:
        stdout, stderr, code = await call.kubelet.exec(
            call.pod, call.container, call.command, given
        )
    except StatusError as error:
        await channel.send(bytes([_ERROR]) + msgspec.json.encode(error.status()))
        return
    for number, output in ((_STDOUT, stdout), (_STDERR, stderr)):
        for start in range(0, len(output), _PIECE):
            await channel.send(bytes([number]) + output[start : start + _PIECE])
    await channel.send(bytes([_ERROR]) + msgspec.json.encode(_ended(code)))


async def _input(channel: Channel, protocol: str) -> bytes:
    parts: list[bytes] = []
    while True:
        try:
            async with asyncio.timeout(None if protocol == V5 else _INPUT_PAUSE):
                message = await channel.receive()
        except TimeoutError:
            break
        if message is None or message[:2] == bytes([_CLOSE, _STDIN]):
            break
        if message[:1] == bytes([_STDIN]):
            parts.append(message[1:])
    return b"".join(parts)


def _ended(code: int) -> RawObject:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
