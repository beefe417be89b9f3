"""One fixture gives a client of the simulator or of the lab: the tests are the same for both."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from tests.contract import servers
from tests.contract.api import Api, Target, install
from tests.contract.objects import definition, namespace
from tests.contract.servers import Server

_LAB = pytest.param("lab", marks=pytest.mark.lab)
_numbers = count(1)


@pytest.fixture(scope="session")
def simulator() -> Iterator[Server]:
    """Run the simulator's API server."""
    with servers.simulator() as server:
        _prepare(server)
        yield server


@pytest.fixture(scope="session")
def lab() -> Iterator[Server]:
    """Run the lab's real API server; its programs must be there."""
    with servers.lab() as server:
        _prepare(server)
        yield server


@pytest.fixture(scope="session", params=["simulator", _LAB])
def server(request: pytest.FixtureRequest) -> Server:
    """Return one server after the other."""
    found: Server = request.getfixturevalue(request.param)
    return found


def _prepare(server: Server) -> None:
    """Make what all tests share: a kind of their own."""
    api = Api(server.admin)
    install(api, definition())
    api.close()


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    """Return a client with a new namespace."""
    with open_api(server.admin, f"t{next(_numbers)}") as api:
        yield api


@contextmanager
def open_api(target: Target, namespace_: str) -> Iterator[Api]:
    """Connect as one who works in a namespace that is new, with what pods need in it."""
    api = Api(target, namespace_)
    try:
        api.create("/api/v1/namespaces", namespace(namespace_))
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        api.create(api.path("serviceaccounts"), account)
        yield api
    finally:
        api.close()
