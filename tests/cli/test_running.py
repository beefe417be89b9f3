"""What stands between a command and its work with a client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from oc_gpu.cli.running import with_client
from oc_gpu.cli.settings import Settings
from oc_gpu.kube import Client


class _Large:
    """A result of which a text would be hundreds of megabytes."""

    texts = 0

    def __repr__(self) -> str:
        self.texts += 1
        return "large"


def test_no_text_is_made_of_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def connect(*_: object) -> AsyncIterator[None]:
        yield

    async def work(_: Client) -> _Large:
        return _Large()

    monkeypatch.setattr(Client, "connect", connect)
    assert with_client(Settings(), work).texts == 0
