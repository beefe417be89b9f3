"""The command line of the workloads."""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .walk import Bench


def _plan(options: argparse.Namespace) -> dict[str, Any]:
    """Return the plan with what it leaves open filled in."""
    text = "{}"
    if options.plan:
        text = sys.stdin.read() if options.plan == "-" else Path(options.plan).read_text()
    plan: dict[str, Any] = {"seed": 0, "steps": 3, "precision": 0.02, "energy": True}
    plan |= {"budget": 60.0, "points": []} | json.loads(text)
    asked = [*plan["points"], *(json.loads(text) for text in options.point)]
    usual = {"mode": "", "batch": 1, "dtype": "fp32", "flops": 0}
    plan["points"] = [{"id": str(n), **usual, **point} for n, point in enumerate(asked)]
    return plan


@contextlib.contextmanager
def _teller(path: str | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(Path(path).open("w")) if path else sys.stdout

        def tell(record: dict[str, Any]) -> None:
            stream.write(json.dumps(record) + "\n")
            stream.flush()

        yield tell


def main() -> int:
    """Measure what the command line asks for; 1 when nothing could be measured."""
    parser = argparse.ArgumentParser(description="Time PyTorch workloads on one device.")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--plan", metavar="FILE", help="a plan as JSON, - for stdin")
    parser.add_argument("--point", metavar="JSON", action="append", default=[])
    parser.add_argument("--out", metavar="FILE", help="write the records there")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="Failed to initialize NumPy")  # none is needed
    gc.disable()
    with _teller(options.out) as tell:
        try:
            Bench(_plan(options), options.device, tell).run()
        except ImportError as error:
            tell({"record": "refused", "reason": f"PyTorch cannot be used here: {error}"})
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
