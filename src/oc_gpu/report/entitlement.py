"""`entitlement inspect` and `entitlement test`: what a file holds, whether it opens the door."""

from collections.abc import Iterator

from oc_gpu.config import EntitlementReport
from oc_gpu.report.documents import Certificate, Certificates, Trial
from oc_gpu.report.look import Look

_LAST = 10
"""Lines of a failed trial's output that are shown."""


def document(report: EntitlementReport) -> Certificates:
    """Return what was found, without keys."""
    return Certificates(
        path=report.path,
        form=report.kind,
        chosen=report.chosen,
        certificates=tuple(
            Certificate(
                name=one.name,
                serial=one.serial,
                subject=one.subject,
                not_before=one.not_before,
                not_after=one.not_after,
                problem=one.problem,
            )
            for one in report.certificates
        ),
        notes=report.notes,
    )


def text(found: Certificates, look: Look) -> Iterator[str]:
    """Yield the lines of what a file holds."""
    for one in found.certificates:
        state = "error" if one.problem else "ok" if one.name == found.chosen else "info"
        yield look.hanging(f"{state:7}", f"{one.name}{_said(one)}", paint=state)
        rows = [("serial", one.serial), ("subject", one.subject), ("valid", _valid(one))]
        yield from look.table([(" " * 5, name, value) for name, value in rows if value])
    for note in found.notes:
        yield look.hanging("note   ", note)
    yield ""
    if found.chosen:
        yield "The certificate can be used: oc-gpu enable --entitlement FILE"
    else:
        yield "Nothing in it can be used."


def _said(one: Certificate) -> str:
    return f": {one.problem}" if one.problem else ""


def _valid(one: Certificate) -> str:
    if one.not_before is None or one.not_after is None:
        return ""
    return f"{one.not_before:%Y-%m-%d} to {one.not_after:%Y-%m-%d}"


def trial_text(trial: Trial, look: Look) -> Iterator[str]:
    """Yield the lines of how a trial ended."""
    if trial.works:
        said = f"{len(trial.packages)} kernel-devel packages found in {trial.image}"
        yield look.hanging("ok     ", said, paint="ok")
        for package in trial.packages:
            yield f"       {package}"
        return
    yield look.hanging("error  ", f"no kernel-devel package found in {trial.image}", paint="error")
    for line in trial.output[-_LAST:]:
        yield look.hanging("seen   ", line)
