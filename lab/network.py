"""The lab's network: programs in boxes, and the gateway through which they are reached."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lab import relay
from lab.programs import HERE
from lab.sandbox import Box, launch


class Network:
    """Addresses of the cluster that mean something, and where each leads.

    Args:
        folder: A private folder with a short path: sockets live in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gateway = folder / "gateway.sock"
        self.routes: dict[tuple[str, int], relay.Opener] = {}
        self._numbers = itertools.count()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Serve the gateway inside the block."""
        server = await relay.listen(self.gateway, relay.table(self.routes))
        async with server:
            yield

    def lead(self, address: str, port: int, opener: relay.Opener) -> None:
        """Let an address of the cluster mean something."""
        self.routes[address, port] = opener

    def new_folder(self) -> Path:
        """Return an empty folder for one more box; its path is short, for sockets are in it."""
        folder = self.folder / str(next(self._numbers))
        (folder / "root").mkdir(parents=True)
        return folder

    def boxed(self, box: Box, folder: Path) -> tuple[tuple[str, ...], dict[str, str]]:
        """Return the command that runs a box of this network, and its environment."""
        return launch(box, folder / "box.json"), {"PYTHONPATH": str(HERE.parent)}
