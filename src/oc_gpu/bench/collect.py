"""From what the workloads tell, line by line, to one leg.

Where the lines come from is no matter: a process on this machine, or the log of a pod.
"""

import json
from typing import Any

import msgspec
from msgspec import Struct, structs

from oc_gpu.bench.model import Device, Leg, Machine, Plan, Point, Result, Status


def plan_text(plan: Plan) -> bytes:
    """Return a plan as the JSON that the workloads read."""
    points = [{**msgspec.to_builtins(point), "id": point.id} for point in plan.points]
    return msgspec.json.encode({**msgspec.to_builtins(plan), "points": points})


class Progress(Struct, frozen=True):
    """One point is done.

    Attributes:
        done: Points that are done, this one included.
        total: Points of the leg.
    """

    device: Device
    done: int
    total: int
    point: Point
    result: Result


class Collector:
    """Takes the records of one leg, also when its process dies and another one goes on.

    Args:
        plan: The leg's plan.
        device: Where it runs.
    """

    def __init__(self, plan: Plan, device: Device) -> None:
        self._plan = plan
        self._device = device
        self._points = {point.id: point for point in plan.points}
        self._machine: Machine | None = None
        self._results: dict[str, Result] = {}
        self._begun = ""
        self._reason = ""

    @property
    def ended(self) -> bool:
        """Tell whether nothing is left to do, or nothing can be done."""
        return bool(self._reason) or len(self._results) == len(self._points)

    def rest(self, budget: float) -> Plan:
        """Return the plan of what is left."""
        left = tuple(p for name, p in self._points.items() if name not in self._results)
        return structs.replace(self._plan, points=left, budget=max(0.0, budget))

    def line(self, text: str) -> Progress | None:
        """Take one line; what is no record of ours, such as a library's warning, is passed over."""
        try:
            record = json.loads(text)
        except ValueError:
            return None
        return self._record(record) if isinstance(record, dict) else None

    def _record(self, record: dict[str, Any]) -> Progress | None:
        kind = record.get("record")
        if kind in ("machine", "refused"):
            self._machine = msgspec.convert(record, Machine)
            self._reason = record.get("reason", "")
        elif kind == "start":
            self._begun = record["id"]
        elif kind == "point":
            self._begun = ""
            return self._result(record["id"], msgspec.convert(record, Result))
        return None

    def _result(self, name: str, result: Result) -> Progress:
        self._results[name] = result
        point = self._points[name]
        return Progress(self._device, len(self._results), len(self._points), point, result)

    def died(self, how: str, *, killed: bool = False) -> Progress | None:
        """Take that the process ended before its plan did: the point that it was at is lost.

        Args:
            how: How it ended, such as `exit code 1: ImportError: ...`.
            killed: Whether the kernel killed it, as it does when memory runs out.

        Returns:
            What became of that point; None when there is none, and the leg is over.
        """
        name, self._begun = self._begun, ""
        if not name:
            self._reason = f"the workloads ended early, {how}"
            for left in self._points.keys() - self._results.keys():
                self._results[left] = Result(status="not measured", reason=self._reason)
            return None
        status: Status = "out of memory" if killed else "failed"
        reason = f"the process was lost: {how}"
        return self._result(name, Result(status=status, reason=reason))

    def leg(self) -> Leg:
        """Return what was found; a leg that measured nothing has a reason."""
        measured = any(result.status == "measured" for result in self._results.values())
        reason = "" if measured else self._reason or "no point of the plan could be measured"
        return Leg(device=self._device, reason=reason, machine=self._machine, results=self._results)
