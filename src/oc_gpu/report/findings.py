"""Findings as text: one line each, with evidence and remedy below those that are not good."""

from collections import Counter
from collections.abc import Iterator

from oc_gpu.checks.model import Finding, Severity
from oc_gpu.report import stages
from oc_gpu.report.documents import Findings
from oc_gpu.report.look import Look

_GOOD = frozenset({Severity.OK, Severity.INFO})
_WORD = max(len(severity) for severity in Severity) + 2
_LISTED, _SHOWN = 20, 3
"""So many findings of one check and severity are all told; of more, the first few."""
_PLURAL = {Severity.ERROR: "errors", Severity.WARNING: "warnings"}


def text(document: Findings, look: Look, *, verbose: int = 0) -> Iterator[str]:
    """Yield the lines of a document; evidence of good findings only when asked for."""
    yield from stages.heading(document.cluster, look, simulated=document.simulated)
    alike = Counter((f.code, f.severity) for f in document.findings)
    told: Counter[tuple[str, Severity]] = Counter()
    for finding in document.findings:
        kind = (finding.code, finding.severity)
        told[kind] += 1
        if verbose or alike[kind] <= _LISTED or told[kind] <= _SHOWN:
            yield from one(finding, look, verbose=verbose)
        elif told[kind] == alike[kind]:
            more = f"{alike[kind] - _SHOWN} more of [{finding.code}]; -v shows all"
            yield look.hanging(f"{finding.severity:{_WORD}}", more, paint=finding.severity)
    yield ""
    yield summary(document)


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
