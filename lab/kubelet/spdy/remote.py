"""Commands over SPDY: the remote command protocol v4 of Kubernetes.

The client opens a stream for each of error, stdin, stdout, stderr and resize; its header
`streamtype` says which it is. How the command ended is a `Status` on the error stream.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from lab.kubelet.backend import Backend, RefusedError
from lab.kubelet.execution import LINGER_SECONDS, Channel, ExecCall, perform
from lab.kubelet.http import Connection, Request
from lab.kubelet.spdy.session import Session, Stream
from lab.kubelet.wire import attended

V4: Final = "v4.channel.k8s.io"
_SPDY: Final = "SPDY/3.1"
_VERSIONS: Final = "x-stream-protocol-version"
_OPENING_SECONDS: Final = 30.0
_TYPES: Final = {channel.stream_type: channel for channel in Channel}


def check(request: Request) -> None:
    """See to it that the client asks for what is spoken here.

    Raises:
        RefusedError: It does not.
    """
    upgrade = ", ".join(request.values("upgrade"))
    if _SPDY.lower() not in upgrade.lower():
        raise RefusedError(400, f"unable to upgrade: {upgrade or 'nothing'} is asked for")
    offered = request.values(_VERSIONS)
    if V4 not in offered:
        text = f"client supports [{' '.join(offered)}], server accepts [{V4}]"
        raise RefusedError(403, f"unable to upgrade: unable to negotiate protocol: {text}")


async def serve(connection: Connection, backend: Backend, call: ExecCall) -> None:
    """Run a command whose request was checked.

    Raises:
        ConnectionError: The client is gone.
    """
    fields = (("connection", "Upgrade"), ("upgrade", _SPDY), (_VERSIONS, V4))
    begun = await connection.switch(fields)
    channels = _Streams(call)
    session = Session(connection.wire, channels.opened)

    async def work() -> None:
        await channels.complete()
        await perform(backend, call, channels)

    await attended(work(), session.run(begun), linger=LINGER_SECONDS)


class _Streams:
    """The streams of a command, as the client opens them."""

    def __init__(self, call: ExecCall) -> None:
        self._needed = {Channel.ERROR, *call.channels}
        self._open: dict[Channel, Stream] = {}
        self._complete = asyncio.Event()

    def opened(self, stream: Stream) -> None:
        """Take a stream; what arrives on one that nobody reads is thrown away."""
        channel = _TYPES.get(stream.fields.get("streamtype", ""))
        if channel is not Channel.STDIN:
            stream.inbox.discard()
        if channel is not None:
            self._open[channel] = stream
        if self._needed <= self._open.keys():
            self._complete.set()

    async def complete(self) -> None:
        """Wait until all streams are there that the request announced.

        Raises:
            ConnectionError: They do not come.
        """
        try:
            async with asyncio.timeout(_OPENING_SECONDS):
                await self._complete.wait()
        except TimeoutError:
            raise ConnectionAbortedError("the client did not open its streams") from None

    def stdin(self) -> AsyncIterator[bytes]:
        """Yield what the client sends."""
        return self._open[Channel.STDIN].inbox.pieces()

    async def write(self, channel: Channel, data: bytes) -> None:
        """Send output; nothing when the client does not want this stream."""
        stream = self._open.get(channel)
        if stream is not None:
            await stream.write(data)

    async def end(self, status: bytes) -> None:
        """Send how the command ended, and close all streams."""
        for channel in (Channel.STDIN, Channel.RESIZE):
            if channel in self._open:
                self._open[channel].inbox.discard()
        await self._open[Channel.ERROR].write(status)
        for stream in self._by_importance():
            await stream.finish()

    def _by_importance(self) -> Sequence[Stream]:
        order = (Channel.STDOUT, Channel.STDERR, Channel.ERROR, Channel.STDIN, Channel.RESIZE)
        return [self._open[channel] for channel in order if channel in self._open]
