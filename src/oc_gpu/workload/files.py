"""Files into a pod before its program starts, and out of it after the end."""

import asyncio
import tempfile
from pathlib import Path

from oc_gpu.kube import Client, OcGpuError, ServerError
from oc_gpu.kube.errors import clean
from oc_gpu.kube.objects import ExecResult
from oc_gpu.manifests import jobs
from oc_gpu.snapshot.kinds import Pod
from oc_gpu.workload.archive import Packed, Unpacked, unpack

_SPARE = 64 << 20
"""Bytes of an archive that are kept in memory before they go to a file."""
_NO_PROGRAM = (126, 127)
"""Exit codes of shells and runtimes for a program that is not there."""
_CONTAINERS: dict[jobs.FilesWay, str] = {"in": jobs.FILES_IN, "out": jobs.FILES_OUT}


async def send(client: Client, pod: Pod, packed: Packed) -> None:
    """Unpack a folder in a pod that waits for it, and let the pod go on.

    Raises:
        OcGpuError: The pod did not take it.
    """
    unpacking = f"head -c {packed.size} | tar -xf - -C {jobs.WORK}"
    result = await _run(client, pod, jobs.FILES_IN, ("sh", "-c", unpacking), packed)
    if result.exit_code:
        raise _failed(pod, "cannot take the files", result)
    await let_go(client, pod, "in")


async def fetch(client: Client, pod: Pod, folder: Path) -> Unpacked:
    """Write what a program left in its output folder to a folder of this machine.

    Raises:
        OcGpuError: The pod did not give it, or it is damaged.
        UsageError: It cannot be written.
    """
    meta = pod.metadata
    with tempfile.SpooledTemporaryFile(_SPARE) as spool:
        command = ("tar", "-cf", "-", "-C", jobs.OUTPUT, ".")
        try:
            result = await client.pipe(
                meta.namespace, meta.name, command, container=jobs.FILES_OUT, take=spool.write
            )
        except ServerError as error:
            raise _no_tar(pod, str(error)) from error
        if result.exit_code:
            raise _failed(pod, "cannot give its files", result)
        spool.seek(0)
        return await asyncio.to_thread(unpack, spool, folder)


async def let_go(client: Client, pod: Pod, way: jobs.FilesWay) -> None:
    """Let the container end that kept the pod for its files.

    The exit code of the command says nothing: the container may end, and take the command
    with it (137), before the command has ended by itself.
    """
    meta = pod.metadata
    command = ("sh", "-c", jobs.release(way))
    await client.pipe(meta.namespace, meta.name, command, container=_CONTAINERS[way])


async def _run(
    client: Client, pod: Pod, container: str, command: tuple[str, ...], packed: Packed
) -> ExecResult:
    meta = pod.metadata
    try:
        return await client.pipe(
            meta.namespace, meta.name, command, container=container, feed=packed.pieces()
        )
    except ServerError as error:
        raise _no_tar(pod, str(error)) from error


def _failed(pod: Pod, what: str, result: ExecResult) -> OcGpuError:
    said = clean(result.stderr) or f"exit code {result.exit_code}"
    if result.exit_code in _NO_PROGRAM:
        return _no_tar(pod, said)
    meta = pod.metadata
    hint = f"oc describe pod -n {meta.namespace} {meta.name}"
    return OcGpuError(f"pod {meta.name} {what}: {said}", hints=(hint,))


def _no_tar(pod: Pod, said: str) -> OcGpuError:
    image = next((c.image for c in pod.spec.containers if c.name == jobs.MAIN), "")
    message = f"files cannot go in or out of {image}: {clean(said)}"
    hint = "--mount and --output need sh, tar, head and mkfifo in the image; choose another"
    return OcGpuError(message, hints=(hint,))
