"""Legs that ran somewhere without us, from the files that the workloads wrote there."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct, structs

from oc_gpu.bench import catalogue
from oc_gpu.bench.collect import Collector, plan_text
from oc_gpu.bench.model import DEVICES, Device, Leg, Plan, Point, Run
from oc_gpu.bench.packing import ARCHIVE, archive
from oc_gpu.kube.errors import UsageError
from oc_gpu.kube.mistakes import explain, listed

MISSING = "there is no file of this leg"


class LegFile(Struct, frozen=True):
    """One leg with what it was asked for.

    Attributes:
        date: Day and time of its beginning, ISO 8601 with zone.
        plan: What it was to measure.
    """

    date: str
    plan: Plan
    leg: Leg


class _Head(Struct, frozen=True):
    """What the first line of a leg's file says."""

    plan: Plan
    device: Device


def kit(plan: Plan) -> dict[str, bytes]:
    """Return what both legs of a plan need on a machine of their own, by file name."""
    files = {ARCHIVE: archive()}
    for device in DEVICES:
        share = catalogue.for_device(plan, device, plan.budget / len(DEVICES))
        files[f"{device}.json"] = plan_text(share)
    return files


def is_leg(text: str) -> bool:
    """Tell whether a file is what the workloads wrote."""
    return _first(text).get("record") == "plan"


def _first(text: str) -> dict[str, Any]:
    try:
        record = json.loads(text.partition("\n")[0])
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def read(text: str, name: str) -> LegFile:
    """Return the leg that a file of the workloads holds.

    Args:
        text: Its content.
        name: What to call it.

    Raises:
        UsageError: Its plan is not one of ours.
    """
    first = _first(text)
    try:
        head = msgspec.convert(first, _Head)
    except msgspec.ValidationError as error:
        told = listed(explain(first, _Head, error))
        message = f"{name} is not a leg of a plan of bench: {told}"
        raise UsageError(message, hints=("`oc-gpu bench kit FOLDER` writes the plans",)) from error
    plan = head.plan
    collector = Collector(plan, head.device)
    for line in text.splitlines()[1:]:
        collector.line(line)
    while not collector.ended:
        collector.died(f"{name} ends there")
    return LegFile(str(first.get("date", "")), plan, collector.leg())


def joined(files: Iterable[LegFile]) -> Run:
    """Return the run that legs make; a side without a leg was not measured.

    Raises:
        UsageError: Two legs are of the same device.
    """
    legs: dict[Device, LegFile] = {}
    for file in files:
        if file.leg.device in legs:
            message = f"both files are legs of the same device, {file.leg.device}"
            raise UsageError(message, hints=("name one of the CPU and one of the GPU",))
        legs[file.leg.device] = file
    points = {p.id: p for file in legs.values() for p in file.plan.points}
    first = min(legs.values(), key=lambda file: file.date)
    return Run(
        date=first.date,
        plan=structs.replace(
            first.plan,
            points=tuple(sorted(points.values(), key=_cheapest)),
            budget=sum(file.plan.budget for file in legs.values()),
        ),
        cpu=_leg(legs, "cpu"),
        gpu=_leg(legs, "cuda"),
    )


def _cheapest(point: Point) -> tuple[int, int]:
    return point.flops, point.bytes


def _leg(legs: Mapping[Device, LegFile], device: Device) -> Leg:
    found = legs.get(device)
    return found.leg if found else Leg(device=device, reason=MISSING)
