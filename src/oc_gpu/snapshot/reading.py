"""One look at a cluster: all lists of a snapshot at once."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from oc_gpu.kube import ApiError, Client, ForbiddenError, NotFoundError, OcGpuError, ServerError
from oc_gpu.kube.objects import ListResult
from oc_gpu.snapshot.kinds import Pod
from oc_gpu.snapshot.model import Snapshot, Unread
from oc_gpu.snapshot.packages import read_packages
from oc_gpu.snapshot.sources import Source

PROOF = "oc-gpu.io/proof"
"""Label of pods whose log is the proof; it is read when they have ended."""
LOG_LINES = 100
"""Lines of a log that are kept: far more than a proof pod prints."""
PACKAGES = "packagemanifests"
_NO_LOG = "unable to retrieve container logs"
"""What a kubelet answers with 200 in place of a log that it does not find."""
_UNAVAILABLE = 503
"""What is answered for the kinds of an aggregated API while its own server is away."""
_AT_ONCE = 8
"""Requests at a time: each one more is another connection with its own TLS handshake."""


async def read(
    client: Client, sources: Iterable[Source], *, packages: Mapping[str, str] | None = None
) -> Snapshot:
    """Return what is known of a cluster now, with the logs of proof pods that have ended.

    Args:
        client: The cluster.
        sources: What to list.
        packages: Packages whose offers are read as well, with the preferred catalog of each.

    Raises:
        ApiError: The server refuses for another reason than a missing right or API.
        ConnectionFailedError: The server cannot be reached.
    """
    snapshot = await read_lists(client, sources, packages=packages)
    logs, unlogged = await _logs(client, snapshot.pods)
    return msgspec.structs.replace(snapshot, logs=logs, unlogged=unlogged)


async def read_lists(
    client: Client,
    sources: Iterable[Source],
    *,
    packages: Mapping[str, str] | None = None,
    tolerant: bool = False,
) -> Snapshot:
    """Return what is known of a cluster now by lists alone.

    Args:
        client: The cluster.
        sources: What to list.
        packages: Packages whose offers are read as well, with the preferred catalog of each.
        tolerant: Whether a list that the server fails at is marked as unread, and the others count.

    Raises:
        ApiError: The server refuses for another reason than a missing right or API.
        ConnectionFailedError: The server cannot be reached.
    """
    gate = asyncio.Semaphore(_AT_ONCE)
    wanted = [(source, where) for source in sources for where in source.namespaces or (None,)]

    async def listed(source: Source, where: str | None) -> list[Any] | Unread:
        async with gate:
            return await _list(client, source, where, tolerant=tolerant)

    version, offers, *answers = await asyncio.gather(
        client.version(), _offers(client, packages), *(listed(*one) for one in wanted)
    )
    names = [source.name for source, _ in wanted]
    tables, unread = _tables([*zip(names, answers, strict=True), *offers])
    return Snapshot(
        server=client.server,
        simulated=version.simulated,
        git_version=version.git_version,
        now=client.server_time or time.time(),
        tables=tables,
        unread=unread,
    )


async def _list(
    client: Client, source: Source, where: str | None, *, tolerant: bool
) -> list[Any] | Unread:
    try:
        result = await _request(client, source, where)
    except NotFoundError as error:
        return Unread("absent", str(error))
    except ForbiddenError as error:
        return Unread("forbidden", str(error))
    except ServerError as error:
        if not (tolerant or is_away(error, source)):
            raise
        return Unread("failed", str(error))
    return result.items


async def _request(client: Client, source: Source, where: str | None) -> ListResult[Any]:
    if source.only_metadata:
        return await client.list_metadata(source.resource, where, type=source.type)
    return await client.list(
        source.resource,
        where,
        label_selector=source.label_selector,
        field_selector=source.field_selector,
        type=source.type,
    )


def is_away(error: ServerError, source: Source) -> bool:
    """Tell whether only the server of an aggregated API is away, and not the whole cluster."""
    return error.status == _UNAVAILABLE and bool(source.resource.group)


async def _offers(
    client: Client, packages: Mapping[str, str] | None
) -> list[tuple[str, list[Any] | Unread]]:
    return [] if not packages else [(PACKAGES, await offers(client, packages))]


async def offers(client: Client, packages: Mapping[str, str]) -> list[Any] | Unread:
    """Return what the catalogs offer of some packages, or why it could not be read."""
    try:
        return list(await read_packages(client, packages))
    except NotFoundError as error:
        return Unread("absent", str(error))
    except ForbiddenError as error:
        return Unread("forbidden", str(error))
    except ApiError as error:
        return Unread("failed", str(error))


def _tables(
    answers: Iterable[tuple[str, list[Any] | Unread]],
) -> tuple[dict[str, tuple[Any, ...]], dict[str, Unread]]:
    """Join the answers of each source; one namespace that was not read spoils its source."""
    tables: dict[str, tuple[Any, ...]] = {}
    unread: dict[str, Unread] = {}
    for name, answer in answers:
        if isinstance(answer, Unread):
            unread[name] = answer
        else:
            tables[name] = (*tables.get(name, ()), *answer)
    return tables, unread


async def _logs(client: Client, pods: Iterable[Pod]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the logs of proof pods that have ended, and why some may not be read."""
    ended = [pod.metadata for pod in pods if is_ended_proof(pod)]
    told = await asyncio.gather(*(read_log(client, m.namespace, m.name) for m in ended))
    found = {f"{m.namespace}/{m.name}": text for m, text in zip(ended, told, strict=True)}
    return (
        {name: text for name, text in found.items() if isinstance(text, str)},
        {name: why.detail for name, why in found.items() if isinstance(why, Unread)},
    )


def is_ended_proof(pod: Pod) -> bool:
    """Tell whether a pod's log is proof and complete."""
    return PROOF in pod.metadata.labels and pod.has_ended


async def read_log(client: Client, namespace: str, name: str) -> str | Unread | None:
    """Return the last lines of a pod.

    Where they may not be read, the reason is returned, and None where they cannot be read at the
    moment: neither proves anything.
    """
    try:
        text = await client.logs(namespace, name, tail=LOG_LINES)
    except ForbiddenError as error:
        return Unread("forbidden", str(error))
    except OcGpuError:
        return None
    return None if text.startswith(_NO_LOG) else text
