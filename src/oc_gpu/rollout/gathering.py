"""Reading a live cluster for a bundle: what the doctor looks at, and all logs of the stack."""

from oc_gpu.checks.case import Case
from oc_gpu.checks.wanted import wanted_objects
from oc_gpu.kube import Client
from oc_gpu.rollout.examining import read_all
from oc_gpu.snapshot.bundle.writing import Contents
from oc_gpu.snapshot.diagnosis import SOURCES
from oc_gpu.snapshot.tables import identity


async def gather(client: Client) -> Contents:
    """Return what goes into a bundle of a cluster; nothing is written.

    Raises:
        ConnectionFailedError: The server cannot be reached.
    """
    found = await read_all(client)
    case = Case(found.snapshot)
    tables = {}
    for name, items in found.raw.items():
        wanted = wanted_objects(case, name)
        tables[name] = tuple(
            item for item in items if wanted is None or identity(item).key in wanted
        )
    return Contents(found.snapshot, tables, SOURCES, found.logs)
