"""Checks of what the driver is built from: a subscription on the nodes, or the Driver Toolkit."""

from datetime import UTC, datetime

from oc_gpu.checks.catalogue import Check, Result, Results
from oc_gpu.checks.inputs import Certificate, Entitlement, Inputs
from oc_gpu.checks.model import Severity

_DAY = 86400.0
_SOON = 30 * _DAY
_PORTAL = "access.redhat.com/management/systems"
_GET = (
    f"download the subscription certificate of a system from {_PORTAL}",
    "oc-gpu check --entitlement FILE",
)


def _entitled(inputs: Inputs) -> Results:
    given = inputs.entitlement
    results = [_decision(given)]
    if given.certificate is not None:
        results += _validity(given.certificate, inputs.snapshot.now, rolls_out=given.rolls_out)
    return tuple(results)


def _decision(given: Entitlement) -> Result:
    why = f": {given.reason}" if given.reason else ""
    if given.mode == "skip":
        severity = Severity.WARNING if given.needed else Severity.OK
        cause = "entitlement-missing" if given.needed else None
        return Result(severity, f"the configuration skips the entitlement{why}", cause)
    if given.on_nodes:
        return Result(Severity.OK, "the workers' MachineConfigs hold an entitlement already")
    if not given.rolls_out:
        if given.certificate is not None:
            return Result(Severity.INFO, f"the entitlement given is not needed here{why}")
        return Result(Severity.OK, f"this cluster needs no entitlement{why}")
    if given.certificate is not None:
        return Result(Severity.OK, f"this cluster needs an entitlement, and one was given{why}")
    title = f"this cluster needs an entitlement, and none was given{why}"
    return Result(Severity.ERROR, title, "entitlement-missing", remedy=_GET)


def _validity(certificate: Certificate, now: float, *, rolls_out: bool) -> list[Result]:
    bad = Severity.ERROR if rolls_out else Severity.WARNING
    cause = "entitlement-stale"
    if certificate.not_after <= now:
        title = f"the entitlement given expired on {_day(certificate.not_after)}"
        return [Result(bad, title, cause, remedy=_GET)]
    if certificate.not_before > now:
        title = f"the entitlement given is not valid before {_day(certificate.not_before)}"
        return [Result(bad, title, cause, remedy=_GET)]
    if certificate.not_after - now < _SOON:
        title = f"the entitlement given expires on {_day(certificate.not_after)}"
        return [Result(Severity.WARNING, title, remedy=_GET)]
    return []


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")


ENTITLEMENT = Check(
    "OCG0301",
    "entitlement",
    "entitlement",
    "the nodes have the subscription that the driver build needs, or need none",
    _entitled,
    ("machineconfigs",),
)


def _toolkit(inputs: Inputs) -> Results:
    given = inputs.entitlement
    if given.needed:
        title = "the driver is built from packages, without the Driver Toolkit"
        return (Result(Severity.INFO, title),)
    if given.warning:
        title, _, advice = given.warning.partition(": ")
        look = "oc get imagestream -n openshift driver-toolkit"
        remedy = (advice, look) if advice else (look,)
        return (Result(Severity.WARNING, title, "dtk-image-missing", remedy=remedy),)
    return (Result(Severity.OK, "the Driver Toolkit of this release builds the driver"),)


DRIVER_TOOLKIT = Check(
    "OCG0701",
    "driver-toolkit",
    "driver-toolkit",
    "the Driver Toolkit of the release is in order",
    _toolkit,
    ("imagestreams",),
)
