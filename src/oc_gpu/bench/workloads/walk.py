"""Walks a plan on one device."""

from __future__ import annotations

import contextlib
import gc
import platform
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from .machine import cpu_facts, fit_memory, throttled
from .nvml import Nvml, gpu_facts
from .points import work
from .timing import NO_ENERGY, SETTLE_SECONDS, Rules, energy, grouped, timed
from .works import NotMeasuredError

_NO_ROOM = ("out of memory", "allocate memory", "bad_alloc", "ALLOC_FAILED", "Unable to mmap")


class Bench:
    """Walks a plan on one device and tells what it finds.

    Args:
        plan: `seed`, `steps`, `precision`, `energy`, `budget` and `points`; see `oc_gpu.bench`.
        device: cpu or cuda.
        tell: Takes one record.
    """

    def __init__(
        self, plan: dict[str, Any], device: str, tell: Callable[[dict[str, Any]], None]
    ) -> None:
        self.plan, self.device, self.tell = plan, device, tell
        self.end = time.perf_counter() + plan["budget"]
        self.rates: dict[tuple[str, ...], float] = {}
        self.nvml: Nvml | None = None

    def run(self) -> None:
        """Measure every point; a point that fails is told, and the next one begins."""
        import torch

        # From a cold disk or on a busy machine the import alone takes a minute.
        self.end = time.perf_counter() + self.plan["budget"]
        date = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self.tell({"record": "plan", "date": date, "device": self.device, "plan": self.plan})
        facts: dict[str, Any] = {"torch": torch.__version__, "python": platform.python_version()}
        facts |= cpu_facts()
        if self.device == "cpu":
            fit_memory()
            torch.set_flush_denormal(True)
        elif not torch.cuda.is_available():
            self.tell({"record": "refused", "reason": "PyTorch sees no NVIDIA GPU here"} | facts)
            return
        else:
            torch.backends.cudnn.allow_tf32 = False
            torch.backends.cudnn.benchmark = True
            more, self.nvml = gpu_facts()
            facts |= more
        self.tell({"record": "machine", "device": self.device, **facts})
        self._warm_up()
        points = self.plan["points"]
        for number, point in enumerate(points):
            self.tell({"record": "start", "id": point["id"]})
            left = len(points) - number
            self.tell({"record": "point", "id": point["id"], **self._point(point, left)})
        gc.unfreeze()  # or libraries complain at the end that their objects are still there
        self.tell({"record": "end"})

    def _warm_up(self) -> None:
        """Let PyTorch load what it loads late, and keep it out of every collection of garbage.

        It has a million objects: looking through them takes longer than most points.
        """
        shape = {"width": 8, "layers": 2, "classes": 8}
        tiny = {"workload": "mlp", "mode": "train", "batch": 2, "dtype": "fp32", "shape": shape}
        work(tiny, self.device, 0).prove(2)
        self._tidy()
        gc.freeze()

    def _point(self, point: dict[str, Any], left: int) -> dict[str, Any]:
        """Return the result of one point, also when there is none."""
        try:
            return {"status": "measured", **self._measured(point, left)}
        except NotMeasuredError as reason:
            return {"status": "not measured", "reason": str(reason)}
        except (RuntimeError, MemoryError) as error:
            text = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
            full = isinstance(error, MemoryError) or any(sign in str(error) for sign in _NO_ROOM)
            return {"status": "out of memory" if full else "failed", "reason": text}
        finally:
            self._tidy()

    def _measured(self, point: dict[str, Any], left: int) -> dict[str, Any]:
        kind = (point["workload"], point["mode"], point["dtype"])
        self._check_time(self.rates.get(kind, 0.0) * point["flops"], left)
        before = throttled()
        made = work(point, self.device, self.plan["seed"])
        begun = time.perf_counter()
        found = made.prove(self.plan["steps"])
        self._wait()
        ready = time.perf_counter()
        self._check_time((ready - begun) / self.plan["steps"] / made.passes, 1)
        # What it took to make the work ready counts for all points, the rest is shared evenly. Of
        # a point's time the work alone gets half, with its data moved the other half.
        share = ready + (self.end - ready) / left
        half = share if made.moved is None else (ready + share) / 2
        found |= self._work_alone(made.step, half)
        if found["compute"] and point["flops"]:
            self.rates[kind] = min(found["compute"]) / point["flops"]
        if made.moved is not None:
            calls = grouped(made.moved, self._wait, share)
            found["transfers"] = timed(made.moved, self._wait, calls, self._rules(share))
        after = throttled()
        found["throttledSeconds"] = None if before is None or after is None else after - before
        return found

    def _work_alone(self, step: Callable[[], Any], until: float) -> dict[str, Any]:
        calls = grouped(step, self._wait, until)
        told = self._settled(step, calls)
        found = timed(step, self._wait, calls, self._rules(until))
        clock = self.nvml.number("ClockInfo", 1) if self.nvml else None
        return told | {"compute": found, "calls": calls, "smClockMhz": clock}

    def _settled(self, step: Callable[[], Any], calls: int) -> dict[str, Any]:
        """Let the GPU's clock settle under the work, and return the energy of a step meanwhile."""
        if self.device == "cpu":
            return {"joulesReason": NO_ENERGY}

        def group() -> None:
            for _ in range(calls):
                step()
            self._wait()

        if self.plan["energy"] and self.nvml is not None:
            joules, why = energy(group, self.nvml.joules, self.end)
            if joules is not None:
                return {"joules": joules / calls}
        else:
            why = NO_ENERGY if self.nvml is None else "the plan does not ask for it"
        settled = min(time.perf_counter() + SETTLE_SECONDS, self.end)
        while time.perf_counter() < settled:
            group()
        return {"joulesReason": why}

    def _rules(self, until: float) -> Rules:
        return Rules(self.plan["precision"], until)

    def _check_time(self, once: float, left: int) -> None:
        """Refuse a point that would take the time of those after it.

        Args:
            once: Seconds that a step takes, as far as is known.
            left: Points that still wait, this one included.
        """
        seconds = self.end - time.perf_counter()
        if seconds <= 0:
            raise NotMeasuredError("the time budget was spent before its turn")
        proof = self.plan["steps"] * 2 if left > 1 else 0
        needed = once * (proof + 2)
        if needed > seconds * max(0.25, 1 / left):
            points = f"{left} point{'s' * (left > 1)}"
            detail = f"a step takes about {once:.2g} s, {seconds:.2g} s were left for {points}"
            raise NotMeasuredError(f"it takes too long for the time budget ({detail})")

    def _wait(self) -> None:
        if self.device != "cpu":
            import torch

            torch.cuda.synchronize()

    def _tidy(self) -> None:
        gc.collect()
        if self.device != "cpu":
            import torch

            with contextlib.suppress(RuntimeError):
                torch.cuda.empty_cache()
