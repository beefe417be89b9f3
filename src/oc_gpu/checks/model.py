"""What a check says."""

from enum import StrEnum

from msgspec import Struct


class Severity(StrEnum):
    """Result of a check, from good to bad; `unknown` is never good."""

    OK = "ok"
    INFO = "info"
    UNKNOWN = "unknown"
    WARNING = "warning"
    ERROR = "error"


class Evidence(Struct, frozen=True):
    """A quoted field or log line and where it was read."""

    where: str
    quote: str


class Finding(Struct, frozen=True):
    """Result of one check about one subject.

    Attributes:
        code: Stable code, `OCG` and four digits; one documentation anchor each.
        check: Name of the check in the catalogue.
        severity: See `Severity`.
        layer: Layer in causal order (`access`, `entitlement`, `nfd`, ...), see docs/checks.md.
        title: A sentence that is true as it stands ("worker03 has 1 GPU allocatable").
        cause: Slug of the cause where one is known.
        objects: Names of the objects concerned.
        evidence: What was seen.
        remedy: What to do, commands included; nothing of it is done by a check.
        family: Group of causes that it belongs to, for the doctor's findings.
        means: What it means and how it comes about.
        confidence: How sure it is that this is the cause, from 0 to 1; what is below one half is
            a hint where to look.
        explained_by: Code of the finding that this one follows from.
    """

    code: str
    check: str
    severity: Severity
    layer: str
    title: str
    cause: str | None = None
    objects: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    remedy: tuple[str, ...] = ()
    family: str | None = None
    means: str = ""
    confidence: float = 1.0
    explained_by: str | None = None


class Unheard(Struct, frozen=True):
    """A text that is not there.

    Attributes:
        what: Log of which container, or kernel messages of which node.
        why: Why it is not there.
        command: What gets it.
    """

    what: str
    why: str
    command: str
