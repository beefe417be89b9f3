"""What is said beside a GPU stack that is well: by builders of other modules, and by kernels.

Rules that know a message know it from whoever says it. Where nothing else is found, programs that
fail to build modules of others are heard as if they built the GPU's, and what kernels say counts
without anything in trouble. What comes of it is a note.
"""

from collections.abc import Iterable
from functools import cached_property

from msgspec import structs

from oc_gpu.checks import components
from oc_gpu.checks.case import Case, key, offers_gpu
from oc_gpu.checks.catalogue import SURE, Check, run_all
from oc_gpu.checks.model import Finding, Severity
from oc_gpu.checks.quotes import KERNEL
from oc_gpu.snapshot.kinds import Pod
from oc_gpu.snapshot.texts import Text, TextRef

_SAID = 0.4
"""Confidence of what is said beside the GPU stack."""


class Beside(Case):
    """A cluster, of which everything counts that is said beside the GPU stack."""

    is_beside = True

    @cached_property
    def component(self) -> dict[tuple[str, str], str]:
        """Return the component of each pod; what builds other modules counts as a driver."""
        made = {key(pod): components.of_pod(pod) for pod in self.snapshot.pods}
        builds = [name for name, one in self.trouble.items() if components.builds_modules(one.pod)]
        return made | dict.fromkeys(builds, components.DRIVER)

    @cached_property
    def logs(self) -> list[tuple[TextRef, Pod | None, str]]:
        """Return the logs of what fails to build modules."""
        return [
            (ref, pod, components.DRIVER)
            for ref in self.snapshot.texts
            if ref.kind == "log" and (pod := self.pod(ref)) is not None
            if key(pod) in self.trouble and components.builds_modules(pod)
        ]


_LISTS = ("dmesg", "lspci", "lsmod", "proc/modules")
_DISPROVED = frozenset(
    {"secure-boot-enabled", "nouveau-loaded", "passthrough-bar-mmio", "iommu-disabled"}
)
"""Causes of which kernels speak, too, where a driver works all the same."""


def _texts(case: Case) -> dict[TextRef, tuple[Text, ...]]:
    """Return what is heard: kernels and lists of GPU nodes, and what fails to build modules."""
    nodes = {node.metadata.name for node in case.gpu_nodes}
    builders = {key(t.pod) for t in case.troubles if components.builds_modules(t.pod)}
    return {
        ref: texts
        for ref, texts in case.snapshot.texts.items()
        if (ref.node in nodes and ref.name.endswith(_LISTS))
        or (ref.kind == "log" and (ref.namespace, ref.pod) in builders)
    }


def said_beside(case: Case, checks: Iterable[Check[Case]]) -> tuple[Finding, ...]:
    """Return the surest cause that is told of beside the GPU stack, as a note.

    Args:
        case: A cluster in which no cause was found.
        checks: The checks of causes.
    """
    given = Beside(structs.replace(case.snapshot, texts=_texts(case)))
    works = any(map(offers_gpu, case.gpu_nodes))
    asked = [one for one in checks if not (works and one.cause in _DISPROVED)]
    told = [
        one
        for one in run_all(asked, given)
        if one.severity is Severity.ERROR and one.confidence >= SURE and _is_said(given, one)
    ]
    best = max(told, key=lambda one: one.confidence, default=None)
    if best is None:
        return ()
    title = f"something beside the GPU stack tells of a trouble of this kind: {best.title}"
    return (structs.replace(best, severity=Severity.WARNING, confidence=_SAID, title=title),)


def _is_said(given: Beside, finding: Finding) -> bool:
    """Tell whether a finding rests on what is said beside the GPU stack, not on a state."""
    where = finding.evidence[0].where if finding.evidence else ""
    if where.startswith("event "):
        return True
    refs = {ref.where for ref, _, _ in given.logs}
    refs |= {ref.where for ref, _ in given.texts_of_nodes(*KERNEL)}
    messages = {f"status of Pod/{t.pod.metadata.name}, {t.container}" for t in given.troubles}
    return where.rpartition(":")[0] in refs or where in messages
