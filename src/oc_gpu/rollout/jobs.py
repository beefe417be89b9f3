"""Making and removing the Jobs of `run` and `bench`: the writes of the room `workload`."""

import asyncio
from contextlib import suppress

from oc_gpu.kube import Client, ConflictError, NotFoundError, RawObject
from oc_gpu.kube.resources import CONFIGMAPS, JOBS
from oc_gpu.manifests import jobs as manifests
from oc_gpu.manifests.jobs import Site, Task
from oc_gpu.rollout import grants, rights
from oc_gpu.rollout.rights import Right


async def demand(client: Client, task: Task) -> str:
    """Insist on every right that a Job needs.

    Returns:
        What could not be asked for, empty when all could.

    Raises:
        MissingRightsError: Some are missing; nothing was written.
    """
    answers = await rights.ask(client, needed(task))
    if answers.missing:
        raise rights.MissingRightsError(answers.missing)
    return rights.not_known(answers)


def needed(task: Task) -> tuple[Right, ...]:
    """Return the rights that a Job needs."""
    enters = (grants.ENTERING,) if task.files_in or task.files_out else ()
    return tuple(
        Right(verb, grant.resource, task.namespace, None, grant.subresource)
        for grant in (*grants.RUNNING, *enters)
        for verb in grant.verbs
    )


async def make(client: Client, task: Task, site: Site) -> RawObject:
    """Make a Job and the ConfigMaps that its pod waits for, and return it.

    The Job comes first, so that the others can be its own: they go with it, also where nobody is
    left to remove them. Where one of them is refused, the Job is removed again.

    Raises:
        ApiError: The server refuses.
        ConnectionFailedError: The server cannot be reached.
    """
    made = await client.create(JOBS, manifests.job(task, site), task.namespace)
    try:
        for config_map in manifests.config_maps(task, site, made):
            await client.create(CONFIGMAPS, config_map, task.namespace)
    except BaseException:
        await asyncio.shield(remove(client, made))
        raise
    return made


async def remove(client: Client, made: RawObject) -> None:
    """Delete this very Job with its pods; a namesake made since is somebody else's."""
    meta = made["metadata"]
    with suppress(NotFoundError, ConflictError):
        await client.delete(JOBS, meta["name"], meta["namespace"], uid=meta["uid"])
