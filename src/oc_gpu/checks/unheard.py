"""Which texts would tell of what is wrong, and are not there: whose, why, and how to get them."""

from collections.abc import Iterator

from msgspec import structs

from oc_gpu.checks.case import Case
from oc_gpu.checks.clients import for_kubectl
from oc_gpu.checks.components import DRIVER, GPU_STACK, NFD, WORKLOAD
from oc_gpu.checks.model import Unheard
from oc_gpu.checks.quotes import KERNEL
from oc_gpu.checks.troubles import CREATING, PULLING, Trouble

_NOT_THERE = "not in what was read"
_NEVER_RAN = PULLING | CREATING | {"CreateContainerConfigError", "InvalidImageName"}
"""States of containers that wrote nothing, or say all in their status."""


def unheard(case: Case) -> tuple[Unheard, ...]:
    """Return the logs of what fails, and the kernel messages beside a driver, that are missing."""
    told = (*_logs(case), *_kernels(case))
    if case.on_openshift:
        return told
    return tuple(structs.replace(one, command=for_kubectl(one.command)) for one in told)


def _logs(case: Case) -> Iterator[Unheard]:
    heard = {
        (ref.namespace, ref.pod, ref.container) for ref in case.snapshot.texts if ref.kind == "log"
    }
    for one in case.troubles_of(*GPU_STACK, *NFD, WORKLOAD, fails=True):
        meta, container = one.pod.metadata, one.container
        named = (meta.namespace, meta.name, container)
        bare = ("", meta.name, container), ("", meta.name, "")
        if not container or not _has_run(one) or named in heard or heard.intersection(bare):
            continue
        yield Unheard(
            f"log of {container} of Pod/{meta.name}",
            case.snapshot.unlogged.get("/".join(named), _NOT_THERE),
            f"oc logs -n {meta.namespace} {meta.name} -c {container} --previous",
        )


def _has_run(one: Trouble) -> bool:
    return one.state not in _NEVER_RAN and (one.restarts > 0 or one.exit_code != 0)


def _kernels(case: Case) -> Iterator[Unheard]:
    told = {ref.node for ref, _ in case.texts_of_nodes(*KERNEL)}
    nodes = {t.pod.spec.node_name for t in case.troubles_of(DRIVER, fails=True) if _has_run(t)}
    for node in sorted(nodes - told - {""}):
        yield Unheard(
            f"kernel messages of Node/{node}",
            case.snapshot.unlogged.get(f"Node/{node}", _NOT_THERE),
            f"oc debug node/{node} -- chroot /host dmesg | grep -iE 'nvrm|nvidia'",
        )
