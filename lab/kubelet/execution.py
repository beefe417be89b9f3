"""A command in a container, whatever its streams travel over."""

from collections.abc import AsyncIterator
from enum import Enum
from typing import Protocol

import msgspec
from msgspec import Struct

from lab.kubelet.backend import Backend, RefusedError, Streams, Write
from lab.kubelet.http import Request
from lab.kubelet.inbox import Inbox
from lab.kubelet.options import wants
from oc_gpu.kube import RawObject

LINGER_SECONDS = 10.0
"""How long a client may take to hang up after it was told how the command ended."""


class Channel(Enum):
    """A stream of a command, by its `streamType`; the value is its number on a WebSocket."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4

    @property
    def stream_type(self) -> str:
        """Return its name in the header of a SPDY stream."""
        return self.name.lower()


class ExecCall(Struct, frozen=True):
    """A command that is to run.

    Attributes:
        pod: The pod.
        container: Name of its container.
        command: Program and arguments.
        channels: Streams that the client wants.
        tty: It is to run on a terminal.
    """

    pod: RawObject
    container: str
    command: tuple[str, ...]
    channels: frozenset[Channel]
    tty: bool


class Channels(Protocol):
    """The streams of a command, as far as the client has opened them."""

    def stdin(self) -> AsyncIterator[bytes]:
        """Yield what the client sends."""

    async def write(self, channel: Channel, data: bytes) -> None:
        """Send output; nothing when the client does not want this stream."""

    async def end(self, status: bytes) -> None:
        """Send how the command ended, and close all streams."""


def exec_call(request: Request, pod: RawObject, container: str) -> ExecCall:
    """Return the command that a request asks for.

    Raises:
        RefusedError: It asks for no stream, or for no command.
    """
    tty = wants(request.query, "tty")
    wanted = {
        Channel.STDIN: wants(request.query, "input"),
        Channel.STDOUT: wants(request.query, "output"),
        # A terminal has one output.
        Channel.STDERR: wants(request.query, "error") and not tty,
    }
    channels = frozenset(channel for channel, is_wanted in wanted.items() if is_wanted)
    if not channels:
        raise RefusedError(400, "you must specify at least 1 of stdin, stdout, stderr")
    command = tuple(request.query.get("command", ()))
    if not command:
        raise RefusedError(400, "no command is given")
    return ExecCall(pod, container, command, channels, tty)


async def perform(backend: Backend, call: ExecCall, channels: Channels) -> None:
    """Run a command between its streams, and tell how it ended.

    Raises:
        ConnectionError: The client is gone.
    """
    error = Channel.STDOUT if call.tty else Channel.STDERR
    given = channels.stdin() if Channel.STDIN in call.channels else _nothing()
    streams = Streams(
        stdin=given,
        write_out=_writer(channels, Channel.STDOUT),
        write_err=_writer(channels, error),
        tty=call.tty,
    )
    try:
        code = await backend.exec(call.pod, call.container, call.command, streams)
    except RefusedError as refused:
        status = _not_started(refused.message)
    else:
        status = _ended(code)
    await channels.end(msgspec.json.encode(status))


def _nothing() -> AsyncIterator[bytes]:
    inbox = Inbox()
    inbox.end()
    return inbox.pieces()


def _writer(channels: Channels, channel: Channel) -> Write:
    async def write(data: bytes) -> None:
        await channels.write(channel, data)

    return write


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


def _not_started(why: str) -> RawObject:
    text = f"error executing command in container: {why}"
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {text}",
        "reason": "InternalError",
        "details": {"causes": [{"message": text}]},
        "code": 500,
    }
