"""A diagnosis as text: the cause in one sentence, the evidence, the fix, on one screen."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import structs

from oc_gpu.checks.catalogue import SURE, Check
from oc_gpu.checks.doctor import passes
from oc_gpu.checks.model import Finding, Severity, Unheard
from oc_gpu.report import alike, findings, stages
from oc_gpu.report.documents import Cluster, Diagnosis, Explanation, Verdict
from oc_gpu.report.look import Look
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.naming import named

_NEEDED = ("nodes", "pods")
"""Without these nothing can be called healthy."""
_LEAD = 9


def document(
    snapshot: Snapshot,
    found: tuple[Finding, ...],
    silence: tuple[Unheard, ...] = (),
    *,
    openshift: str = "",
    installed: bool = True,
) -> Diagnosis:
    """Return the document of a diagnosis.

    Args:
        snapshot: What was looked at.
        found: The findings, the root cause first.
        silence: Texts that would tell of what is wrong, and are not there.
        openshift: Release of OpenShift, empty when it is not known.
        installed: Whether there is anything of a GPU stack.
    """
    unread = {name: why.reason for name, why in snapshot.unread.items() if why.reason != "absent"}
    errors = [one for one in found if one.severity is Severity.ERROR]
    return Diagnosis(
        cluster=Cluster(
            server=snapshot.server, openshift=openshift, kubernetes=snapshot.git_version
        ),
        verdict=_verdict(found, unread, installed=installed),
        clean=not errors,
        source=snapshot.server,
        findings=found,
        unread=unread,
        unheard=silence,
        simulated=snapshot.simulated,
    )


def with_notes(made: Diagnosis, notes: Iterable[str]) -> Diagnosis:
    """Return a diagnosis with what of its bundle was left out: known only when all is read."""
    return structs.replace(made, notes=tuple(notes))


def _verdict(found: tuple[Finding, ...], unread: dict[str, str], *, installed: bool) -> Verdict:
    errors = [one for one in found if one.severity is Severity.ERROR]
    if errors:
        return "cause" if any(one.confidence >= SURE for one in errors) else "unclear"
    if any(name in unread for name in _NEEDED):
        return "unknown"
    warned = [one for one in found if one.severity is Severity.WARNING]
    if warned:
        return "under way" if any(passes(one) for one in warned) else "noted"
    return "healthy" if installed else "absent"


def text(made: Diagnosis, look: Look, *, verbose: int = 0) -> Iterator[str]:
    """Yield the lines of a diagnosis; what follows from the cause only when asked for."""
    yield from stages.heading(made.cluster, look, simulated=made.simulated)
    causes = [one for one in made.findings if one.explained_by is None]
    roots = findings.grouped(causes, verbose=verbose)
    folded = [one for one in made.findings if one.explained_by is not None]
    for number, one in enumerate(roots):
        if number:
            yield ""
        yield from _one(one, look, first=number == 0, verbose=verbose)
    if folded and verbose:
        yield ""
        for one in folded:
            yield from findings.one(one, look)
    yield from _ending(made, look, len(folded), verbose)


_LOG = re.compile(r"^(?:.*/)?namespaces/[^/]+/pods/([^/]+)/([^/]+)/\2/logs/(?:.*/)?([^/]+)$")
"""Where an inspect tree has its logs."""
_IN_SHORT = r"log of \2 of Pod/\1, \3"


def _one(finding: Finding, look: Look, *, first: bool, verbose: int) -> Iterator[str]:
    word = "cause" if finding.confidence >= SURE else "unclear"
    lead = f"{word if finding.severity is Severity.ERROR else finding.severity:{_LEAD}}"
    sure = f"{finding.confidence:.0%} sure"
    title = f"{finding.title} [{finding.code}, {finding.layer}, {sure}]"
    yield look.hanging(lead, title, paint=finding.severity)
    gap = " " * _LEAD
    if finding.objects:
        shown = finding.objects if verbose else (named(finding.objects, alike.LISTED),)
        yield look.hanging(gap, ", ".join(shown))
    for evidence in finding.evidence:
        place = evidence.where if verbose else _LOG.sub(_IN_SHORT, evidence.where)
        yield look.hanging(f"{'seen':{_LEAD}}", f"{place}: {evidence.quote}")
    if first and finding.means:
        yield look.hanging(f"{'why':{_LEAD}}", finding.means)
    for line in finding.remedy:
        yield look.todo(f"{'do':{_LEAD}}", line)


def _ending(made: Diagnosis, look: Look, folded: int, verbose: int) -> Iterator[str]:
    said = {
        "healthy": "healthy: nothing is wrong with the GPU stack in what was read",
        "absent": "nothing of a GPU stack is installed here, and nothing else is wrong in what was "
        "read; oc-gpu check tells whether it can be installed",
        "under way": "under way: the GPU stack is not ready yet, and not late; look again later",
        "noted": "noted: nothing of the GPU stack is broken in what was read",
        "unknown": f"unknown: {', '.join(n for n in _NEEDED if n in made.unread)} could not be "
        "read, so nothing can be called healthy",
        "unclear": "unclear: something is wrong, and what was read is not enough to name the cause",
        "cause": "",
    }[made.verdict]
    if made.findings and (said or (folded and not verbose)):
        yield ""
    if said:
        yield look.hanging("", said)
    if folded and not verbose:
        plural = "finding follows" if folded == 1 else "findings follow"
        yield f"{folded} more {plural} from it; -v shows them"
    yield from _silence(made, look, verbose)
    if verbose:
        for name, why in made.unread.items():
            yield look.hanging(f"{'unread':{_LEAD}}", f"{name}: {why}")
    for note in made.notes:
        yield look.hanging(f"{'note':{_LEAD}}", note)


_PLAIN = 0.9
"""Confidence from which a cause is plain enough that what is missing would not change it."""
_FEW = 2
"""Texts that are named where nobody asks for more."""


def _silence(made: Diagnosis, look: Look, verbose: int) -> Iterator[str]:
    """Yield which texts are missing, where they could tell more than what was found."""
    first = next(iter(made.findings), None)
    plain = first is not None and first.confidence >= _PLAIN
    if not verbose and (plain or made.clean):
        return
    shown = made.unheard if verbose else made.unheard[:_FEW]
    for one in shown:
        yield look.hanging(f"{'missing':{_LEAD}}", f"{one.what}: {one.why}; {one.command}")
    if len(made.unheard) > len(shown):
        more = len(made.unheard) - len(shown)
        yield look.hanging(f"{'missing':{_LEAD}}", f"{more} more; -v shows them")


def explanation(check: Check[Any]) -> Explanation:
    """Return the document of one code."""
    return Explanation(
        code=check.code,
        name=check.name,
        layer=check.layer,
        family=check.family,
        title=check.title,
        says=check.says,
        means=check.means,
        remedy=check.remedy,
    )


def explained(made: Explanation, look: Look) -> Iterator[str]:
    """Yield the lines of an explanation."""
    family = f", family {made.family}" if made.family else ""
    yield look.hanging(f"{made.code}  ", f"{made.name} (layer {made.layer}{family})")
    for word, said in (("checks", made.title), ("cause", made.says), ("why", made.means)):
        if said:
            yield look.hanging(f"{word:{_LEAD}}", said)
    for line in made.remedy:
        yield look.hanging(f"{'do':{_LEAD}}", line)
