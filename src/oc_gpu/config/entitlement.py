"""The entitlement certificate of the customer portal: found, judged, and never shown."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec import Struct

from oc_gpu.config.certificates import Certificate, judge
from oc_gpu.config.downloads import WHERE_FROM, Download, EntitlementError

SOON = timedelta(days=30)
"""An end of validity that is worth a word: a driver rebuilt after it fails."""

_LOCKED = "take the passphrase off (openssl pkey), nodes cannot ask for it"


class Secret(bytes):
    """Bytes that do not show themselves: neither printed, nor formatted, nor in a traceback."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return a placeholder."""
        return "(not shown)"

    __str__ = __repr__


class Entitlement(Struct, frozen=True):
    """A certificate with its key that can be used.

    Attributes:
        pem: The whole file, certificate and key.
        name: Where it was found.
        serial: Serial number of the certificate.
        subject: Its subject.
        not_before: Start of its validity.
        not_after: End of its validity.
        notes: What is worth knowing about the choice, a sentence each.
    """

    pem: Secret
    name: str
    serial: str
    subject: str
    not_before: datetime
    not_after: datetime
    notes: tuple[str, ...] = ()


class EntitlementReport(Struct, frozen=True):
    """What `entitlement inspect` tells of a file.

    Attributes:
        path: The file.
        kind: `PEM` or `ZIP`.
        certificates: All that was found, the chosen one first.
        chosen: Name of the one that would be used, None when none can be.
        notes: What is worth knowing, a sentence each.
    """

    path: str
    kind: str
    certificates: tuple[Certificate, ...]
    chosen: str | None
    notes: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Tell whether one of the certificates can be used."""
        return self.chosen is not None


def inspect_entitlement(path: str | Path, now: datetime | None = None) -> EntitlementReport:
    """Return what a file holds and what is wrong with it.

    Args:
        path: The portal's ZIP, or a PEM file.
        now: Moment at which the certificate must be valid; the present one by default.

    Raises:
        EntitlementError: The file cannot be read or is neither.
    """
    return _inspect(Path(path), now or datetime.now(UTC))[0]


def _inspect(path: Path, now: datetime) -> tuple[EntitlementReport, Download]:
    from oc_gpu.config.archives import open_download  # noqa: PLC0415 - few commands read one

    download = open_download(path)
    judged = [judge(file.name, file.content, now) for file in download.files]
    judged.sort(key=_order)
    chosen = judged[0] if not judged[0].problem else None
    report = EntitlementReport(
        path=str(path),
        kind=download.kind,
        certificates=tuple(judged),
        chosen=chosen.name if chosen else None,
        notes=_notes(chosen, judged, now) if chosen else (),
    )
    return report, download


def _order(certificate: Certificate) -> tuple[bool, float, str]:
    """Order: usable ones first, then by the start of validity, newest first."""
    start = certificate.not_before.timestamp() if certificate.not_before else 0.0
    return bool(certificate.problem), -start, certificate.name


def _notes(chosen: Certificate, judged: list[Certificate], now: datetime) -> tuple[str, ...]:
    notes = []
    if len(judged) > 1:
        usable = sum(not certificate.problem for certificate in judged)
        notes.append(
            f"{len(judged)} certificates found, {usable} usable; "
            f"the newest one is taken: serial {chosen.serial}"
        )
    end = chosen.not_after
    if end is not None and end - now.astimezone(UTC) < SOON:
        notes.append(f"it expires on {end:%Y-%m-%d}: drivers that are built later need a new one")
    return tuple(notes)


def read_entitlement(path: str | Path, now: datetime | None = None) -> Entitlement:
    """Return the certificate and key of a file.

    Of several, the newest that can be used is taken, and `notes` says so.

    Args:
        path: The portal's ZIP, or a PEM file.
        now: Moment at which the certificate must be valid; the present one by default.

    Raises:
        EntitlementError: There is none that can be used; the error says why and what to do.
    """
    report, download = _inspect(Path(path), now or datetime.now(UTC))
    first = report.certificates[0]
    if first.problem or first.not_before is None or first.not_after is None:
        raise _unusable(report)
    content = next(file.content for file in download.files if file.name == first.name)
    return Entitlement(
        pem=Secret(content),
        name=first.name,
        serial=first.serial,
        subject=first.subject,
        not_before=first.not_before,
        not_after=first.not_after,
        notes=report.notes,
    )


def _unusable(report: EntitlementReport) -> EntitlementError:
    first = report.certificates[0]
    hint = _LOCKED if "passphrase" in first.problem else WHERE_FROM
    if len(report.certificates) > 1:
        message = (
            f"none of the {len(report.certificates)} certificates in {report.path} can be used; "
            f"the newest, {first.name}: {first.problem}"
        )
        return EntitlementError(message, hints=(hint,))
    name = report.path if report.kind == "PEM" else f"{first.name} in {report.path}"
    return EntitlementError(f"cannot use {name}: {first.problem}", hints=(hint,))
