"""Findings as text: one line each, with evidence and remedy below those that are not good."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from msgspec import structs

from oc_gpu.checks.model import Finding, Severity
from oc_gpu.checks.smi import uuids
from oc_gpu.report import alike, stages
from oc_gpu.report.documents import Findings
from oc_gpu.report.look import Look

_GOOD = frozenset({Severity.OK, Severity.INFO})
_WORD = max(len(severity) for severity in Severity) + 2
_RANK = {severity: -number for number, severity in enumerate(Severity)}
_PLURAL = {Severity.ERROR: "errors", Severity.WARNING: "warnings"}


def text(document: Findings, look: Look, *, verbose: int = 0) -> Iterator[str]:
    """Yield the lines of a document; evidence of good findings only when asked for."""
    yield from stages.heading(document.cluster, look, simulated=document.simulated)
    for finding in grouped(document.findings, verbose=verbose):
        yield from one(finding, look, verbose=verbose)
    yield ""
    yield summary(document)


def grouped(found: Iterable[Finding], *, verbose: int = 0) -> Iterator[Finding]:
    """Yield findings to tell: of many by one check, one for those that differ in names only.

    The worst of a check come first then, and what is told of few objects before what is told of
    many. With `verbose` nothing is left out.
    """
    for _, items in groupby(found, key=lambda finding: finding.code):
        by_check = list(items)
        if verbose:
            yield from by_check
        else:
            yield from _grouped(by_check)


def _grouped(by_check: list[Finding]) -> Iterator[Finding]:
    groups = alike.groups(by_check, _unnamed, lambda finding: _RANK[finding.severity])
    for group in groups[: alike.LISTED]:
        first = group[0]
        yield first if len(group) == 1 else _for_all(first, len(group))
    left = [finding for group in groups[alike.LISTED :] for finding in group]
    if left:
        title = f"{len(left)} more that differ; -v shows all"
        yield structs.replace(left[0], title=title, objects=(), evidence=(), remedy=())


def _unnamed(finding: Finding) -> tuple[str, str, tuple[str, ...]]:
    """Return what a finding says, whichever objects it says it of."""
    kinds, names = (
        zip(*map(alike.split, finding.objects), strict=True) if finding.objects else ((), ())
    )
    return finding.severity, alike.blanked(finding.title, (*names, *uuids(finding.title))), kinds


def _for_all(first: Finding, count: int) -> Finding:
    if not first.objects:
        return structs.replace(first, title=f"{count} times: {first.title}")
    kind, name = alike.split(first.objects[0])
    return structs.replace(first, title=f"{alike.like(count, kind, name)}: {first.title}")


def one(finding: Finding, look: Look, *, verbose: int = 0) -> Iterator[str]:
    """Yield the lines of one finding."""
    lead = f"{finding.severity:{_WORD}}"
    good = finding.severity in _GOOD
    title = finding.title if good and not verbose else f"{finding.title} [{finding.code}]"
    yield look.hanging(lead, title, paint=finding.severity)
    if good and not verbose:
        return
    for evidence in finding.evidence:
        yield from _below(look, "seen", f"{evidence.where}: {evidence.quote}")
    for remedy in finding.remedy:
        for number, line in enumerate(remedy.splitlines()):
            yield look.todo(" " * _WORD + f"{'do' if number == 0 else '':6}", line)


def _below(look: Look, word: str, said: str) -> Iterator[str]:
    lead = " " * _WORD + f"{word:6}"
    for number, line in enumerate(said.splitlines() or [""]):
        yield look.hanging(lead if number == 0 else " " * len(lead), line)


def summary(document: Findings) -> str:
    """Return how many findings of which severity there are, the worst first."""
    parts = [
        _counted(document.count.get(severity, 0), severity)
        for severity in reversed(Severity)
        if document.count.get(severity, 0)
    ]
    told = ", ".join(parts) or "nothing was checked"
    if not document.clean:
        return told
    if document.count.get(Severity.UNKNOWN, 0):
        return f"{told}: nothing that is known stands in the way; what is unknown may"
    good = {"Check": "nothing stands in the way", "Verify": "proven on every GPU node"}
    return f"{told}: {good[document.kind]}"


def _counted(count: int, severity: Severity) -> str:
    word = _PLURAL.get(severity, severity.value) if count != 1 else severity.value
    return f"{count} {word}"
