"""What the kubelets' API asks of whoever plays the machines."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

from msgspec import Struct

from oc_gpu.kube import RawObject

Write = Callable[[bytes], Awaitable[None]]
"""Takes output; it returns once there is room for more."""


class RefusedError(Exception):
    """A request that is not fulfilled, in the kubelet's words.

    Attributes:
        code: HTTP status.
        message: What the client is told.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class LogOptions(Struct, frozen=True):
    """Which part of a container's log is asked for.

    Attributes:
        follow: Go on until the container ends.
        previous: Take the run before this one.
        tail_lines: Take only so many lines from the end.
        since_seconds: Take only lines not older than this.
        since_time: Take only lines not older than this, in epoch seconds.
        timestamps: Put the time before each line.
        limit_bytes: Break off after so many bytes.
    """

    follow: bool = False
    previous: bool = False
    tail_lines: int | None = None
    since_seconds: int | None = None
    since_time: float | None = None
    timestamps: bool = False
    limit_bytes: int | None = None


class JournalQuery(Struct, frozen=True):
    """Which part of a machine's journal is asked for.

    Attributes:
        pattern: Regular expression, empty for all.
        case_sensitive: Letters match in their own case only; not so when clients do not say.
        boot: 0 for the current boot, -1 for the one before it.
        units: Units of systemd, none for all.
        tail_lines: Take only so many lines from the end.
        others: Options that are given besides, by name.
    """

    pattern: str = ""
    case_sensitive: bool = False
    boot: int = 0
    units: tuple[str, ...] = ()
    tail_lines: int | None = None
    others: dict[str, str] = {}


class Streams(Struct, frozen=True):
    """What a command reads and writes while it runs.

    Attributes:
        stdin: Its input; ends when the client ends it, at once when there is none.
        write_out: Takes its standard output.
        write_err: Takes its standard error.
        tty: It is on a terminal, which has no standard error of its own.
    """

    stdin: AsyncIterator[bytes]
    write_out: Write
    write_err: Write
    tty: bool = False


class Backend(Protocol):
    """All machines, their pods, and what can be asked of them."""

    def answers(self, node: str) -> bool:
        """Tell whether a machine's kubelet is up."""

    def pods(self, node: str) -> Sequence[RawObject]:
        """Return the pods that are bound to a machine."""

    def pod(self, node: str, namespace: str, name: str) -> RawObject | None:
        """Return a pod that is bound to a machine, None when there is no such one."""

    def runs(self, pod: RawObject, container: str) -> bool:
        """Tell whether a container of a pod runs now."""

    async def logs(
        self, pod: RawObject, container: str, options: LogOptions
    ) -> AsyncIterator[bytes]:
        """Return a container's log in pieces; `limit_bytes` need not be looked at.

        Raises:
            RefusedError: There is none.
        """

    async def exec(
        self, pod: RawObject, container: str, command: Sequence[str], streams: Streams
    ) -> int:
        """Run a command in a container and return its exit code, 0 to 255.

        It is cancelled when the client goes away.

        Raises:
            RefusedError: It could not be started.
        """

    async def journal(self, node: str, query: JournalQuery) -> str:
        """Return lines of a machine's journal.

        Raises:
            RefusedError: The machine cannot answer this.
        """
