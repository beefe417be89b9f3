"""Trying one fault from its beginning to the proof that all is well again."""

from msgspec import Struct

from oc_gpu.checks.model import Finding
from tests.faults import walks
from tests.faults.cases import Expected


class Result(Struct, frozen=True):
    """What came of one fault.

    Attributes:
        first: How `enable` ended.
        ill: How the road ended without the checks before it; the same where those let it pass.
        seconds: Simulated seconds from when the cause was to be seen to the end of the walk.
        diagnosis: What the doctor found meanwhile.
        offline: What it found in a bundle of the same cluster.
        again: How `enable` ended after the fault was lifted.
        unproven: What `verify` did not prove then.
    """

    first: walks.Walk
    ill: walks.Walk
    seconds: float | None
    diagnosis: tuple[Finding, ...]
    offline: tuple[Finding, ...]
    again: walks.Walk
    unproven: list[Finding]


async def tried(expected: Expected) -> Result:
    """Walk the road with a fault, ask the doctor, lift it, walk again and prove."""
    async with walks.cluster(expected.scenario, expected.fault) as simulation:
        witness = walks.Witness(simulation, expected.sign)
        first = ill = await walks.enable(simulation)
        if first.by == "check":
            ill = await walks.enable(simulation, check=False)
        seen = witness.first
        diagnosis = await walks.doctor(simulation)
        offline = await walks.doctor_of_bundle(simulation)
        await simulation.remove_fault(expected.fault)
        await simulation.clock.sleep(expected.pause)
        again = await walks.enable(simulation)
        unproven = await walks.unproven(simulation)
    seconds = None if seen is None else ill.ended - max(seen, ill.began)
    return Result(first, ill, seconds, diagnosis, offline, again, unproven)


def complaints(expected: Expected, result: Result) -> list[str]:
    """Return in what way a result is not what has to come of a fault; nothing where it is."""
    found: list[str] = []
    if _causes(result.offline) != _causes(result.diagnosis):
        found.append(f"of a bundle the doctor says: {_titles(result.offline[:2])}")
    if result.first.done is not expected.completes:
        found.append(f"the road was {'walked' if result.first.done else 'not walked'} to its end")
    if not expected.completes:
        found += _of_the_stop(expected, result)
    if not result.again.done:
        found.append(f"after the lifting it stopped again: {_titles(result.again.findings)}")
    if result.unproven:
        found.append(f"not proven afterwards: {_titles(result.unproven)}")
    return found


def _causes(findings: tuple[Finding, ...]) -> list[tuple[str, str | None]]:
    return [(one.code, one.cause) for one in findings]


def _of_the_stop(expected: Expected, result: Result) -> list[str]:
    found: list[str] = []
    named = _of_finding(expected, expected.cause, result.first.findings[:1])
    found += [f"enable: {one}" for one in named]
    if expected.only_checked:
        return found
    later = expected.later or expected.cause
    if result.ill is not result.first:
        named = _of_finding(expected, later, result.ill.findings[:1])
        found += [f"the walk: {one}" for one in named]
    diagnosed = result.diagnosis[0].cause if result.diagnosis else None
    if diagnosed != later:
        found.append(f"the doctor says: {_titles(result.diagnosis[:2])}")
    if result.seconds is None:
        found.append(f"{expected.sign!r} was never to be seen")
    elif result.seconds > expected.within:
        found.append(f"it took {result.seconds:.0f} s from when the cause was to be seen")
    return found


def _of_finding(expected: Expected, cause: str, findings: tuple[Finding, ...]) -> list[str]:
    if not findings:
        return ["no cause was named"]
    one = findings[0]
    found = []
    if one.cause != (cause or None):
        found.append(f"the cause is {one.cause}: {one.title}")
    if expected.object and not any(n.startswith(expected.object) for n in one.objects):
        found.append(f"{expected.object} is not among {one.objects}")
    if not one.evidence:
        found.append("it has no evidence")
    if not one.remedy:
        found.append("it has no remedy")
    return found


def _titles(findings: object) -> str:
    assert isinstance(findings, list | tuple)
    return "; ".join(f"{one.cause}: {one.title}" for one in findings) or "nothing"
