"""What a user wants to run, what is told meanwhile, and how it ended, as values."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

from oc_gpu.manifests.jobs import Limits


class Request(Struct, frozen=True, kw_only=True):
    """What is to run.

    Attributes:
        title: What to call it: the script's name, or the image.
        image: Image; empty for the PyTorch image that fits the driver.
        command: What runs; empty leaves it to the image.
        scripts: Files that the command needs, by name; small ones.
        limits: GPUs, cores and memory.
        node_selector: Labels of the nodes that it may go to.
        node: The one node that it may go to, empty for any.
        env: Variables.
        mount: Folder whose content goes along.
        output: Folder for what it writes.
        queue: Queue of Kueue, empty for none.
        namespace: Where it runs.
        detach: Whether to leave it running.
    """

    title: str
    image: str = ""
    command: tuple[str, ...] = ()
    scripts: Mapping[str, bytes] = {}
    limits: Limits = Limits()
    node_selector: Mapping[str, str] = {}
    node: str = ""
    env: Mapping[str, str] = {}
    mount: Path | None = None
    output: Path | None = None
    queue: str = ""
    namespace: str
    detach: bool = False


class Patience(Struct, frozen=True):
    """How long things may take, in seconds.

    Attributes:
        start: Until the program runs: a free GPU, the image.
        all: For everything, None for as long as it takes.
    """

    start: float
    all: float | None = None


class Line(Struct, frozen=True):
    """A line that the program printed."""

    text: str


class Notice(Struct, frozen=True):
    """Something that happens on the way, in a sentence."""

    message: str


Event = Line | Notice
Observer = Callable[[Event], object]


class Ended(Struct, frozen=True, kw_only=True):
    """How a run ended, or where it was left running.

    Attributes:
        job: Name of the Job.
        state: `ended`, or `detached` when it was left running.
        pod: Name of its pod, empty when it has none yet.
        node: Where it ran.
        image: Image that was asked for.
        image_id: Image that ran, with its digest.
        exit_code: Of the program, None when it was left running.
        reason: What the kubelet calls the end, such as `OOMKilled`.
        last_lines: The end of what it printed.
        files: What was brought back, relative to the output folder.
        left_out: What was not, and why.
        started: When the program started, RFC 3339 by the cluster's clock.
        finished: When it ended.
        simulated: Whether it ran as a process of the machine of a simulated cluster.
    """

    job: str
    namespace: str
    state: Literal["ended", "detached"]
    pod: str = ""
    node: str = ""
    image: str = ""
    image_id: str = ""
    limits: Limits = Limits()
    exit_code: int | None = None
    reason: str = ""
    last_lines: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    started: str = ""
    finished: str = ""
    simulated: bool = False
