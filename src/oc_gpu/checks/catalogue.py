"""What a check is, and the one engine that runs them.

A check is a record. Its function looks at values only and returns results; the engine adds code,
name and layer. A check names the sources it needs: where one of them could not be read, the engine
says `unknown` instead of running it, so that nothing unread is ever taken for good.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from oc_gpu.checks.model import Evidence, Finding, Severity
from oc_gpu.snapshot.model import Snapshot

LAYERS = (
    "access",
    "network",
    "entitlement",
    "machine-config",
    "olm",
    "nfd",
    "driver-toolkit",
    "driver",
    "container-toolkit",
    "device-plugin",
    "validator",
    "capacity",
    "scheduling",
    "workload",
    "hardware",
)
"""Layers in causal order: a broken one explains the ones after it. The first two digits of a code
are the number of its layer in this list, from 01 on."""

_RANK = {severity: number for number, severity in enumerate(Severity)}


class Result(Struct, frozen=True):
    """What a check's function returns: a finding without what the engine knows."""

    severity: Severity
    title: str
    cause: str | None = None
    objects: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    remedy: tuple[str, ...] = ()
    layer: str | None = None
    """Layer of this result where it is not the check's own."""
    confidence: float = 1.0
    about: Mapping[str, str] = {}
    """What the words in braces of the check's own remedy stand for."""


Results = tuple[Result, ...]


class Given(Protocol):
    """What every check gets at least."""

    @property
    def snapshot(self) -> Snapshot:
        """Return what is known of the cluster."""


T = TypeVar("T", bound=Given)

SURE = 0.5
"""Confidence below which a finding is a hint and no cause."""


class Check(Struct, Generic[T], frozen=True):
    """One check.

    Attributes:
        code: Stable code, never used again for something else; an anchor of docs/checks.md.
        name: Name in words of the command line.
        layer: One of `LAYERS`.
        title: A sentence that is true when the check passes.
        run: The function.
        needs: Names of the sources without which it cannot judge.
        cause: Slug of the one cause that it finds; empty where results name theirs.
        family: Group of causes that it belongs to, as the shared taxonomy has them.
        says: The cause in one sentence, for checks of one cause.
        means: What it means and how it comes about.
        remedy: What to do, commands included; `{node}`, `{namespace}`, `{pod}` and `{container}`
            stand for those of the finding. A result's own remedy goes before it.
    """

    code: str
    name: str
    layer: str
    title: str
    run: Callable[[T], Results]
    needs: tuple[str, ...] = ()
    cause: str = ""
    family: str = ""
    says: str = ""
    means: str = ""
    remedy: tuple[str, ...] = ()


def run_all(checks: Iterable[Check[T]], given: T) -> tuple[Finding, ...]:
    """Run checks and return their findings in the order of the checks."""
    return tuple(found(check, result) for check in checks for result in _results(check, given))


def found(check: Check[T], result: Result) -> Finding:
    """Return a result of a check with what the check says of it, a guess as one."""
    guessed = result.confidence < SURE and result.title == check.says
    return Finding(
        code=check.code,
        check=check.name,
        severity=result.severity,
        layer=result.layer or check.layer,
        title=f"perhaps {result.title}" if guessed else result.title,
        cause=result.cause or check.cause or None,
        family=check.family or None,
        objects=result.objects,
        evidence=result.evidence,
        remedy=result.remedy or tuple(_filled(line, result.about) for line in check.remedy),
        means=check.means,
        confidence=result.confidence,
    )


_BLANK = re.compile(r"\{(node|namespace|pod|container)\}")


def _filled(line: str, about: Mapping[str, str]) -> str:
    """Return a line of a remedy with the names of this finding; in capitals what is not known."""
    return _BLANK.sub(lambda match: about.get(match[1]) or match[1].upper(), line)


def _results(check: Check[T], given: T) -> Results:
    missing = [
        f"{source} ({why})" for source in check.needs if (why := unread(given.snapshot, source))
    ]
    if not missing:
        return check.run(given)
    title = f"it is not known whether {check.title}, for want of {', '.join(missing)}"
    return (Result(Severity.UNKNOWN, title),)


def unread(snapshot: Snapshot, source: str) -> str:
    """Return why a source was not read, empty when it was; an API not served counts as read."""
    if snapshot.known(source) and (source in snapshot.tables or source in snapshot.unread):
        return ""
    why = snapshot.unread.get(source)
    return why.reason if why is not None else "not asked for"


def worst(findings: Iterable[Finding]) -> Severity:
    """Return the worst severity, `ok` when there is no finding."""
    severities = (finding.severity for finding in findings)
    return max(severities, key=_RANK.__getitem__, default=Severity.OK)


def exit_code(findings: Iterable[Finding], *, proof: bool = False) -> int:
    """Return the exit status that findings call for.

    Args:
        findings: All findings of a command.
        proof: True where `unknown` is as bad as an error, because a proof was asked for.
    """
    bad = {Severity.ERROR, Severity.UNKNOWN} if proof else {Severity.ERROR}
    return int(any(finding.severity in bad for finding in findings))
