"""A faulty proxy in front of any cluster: `python -m tests.chaos --kubeconfig FILE --out FILE`."""

import argparse
from pathlib import Path

from tests.chaos.faults import Chaos
from tests.chaos.proxy import run_for_ever

parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
parser.add_argument("--kubeconfig", required=True, help="leads to the server behind the proxy")
parser.add_argument("--out", required=True, type=Path, help="kubeconfig that leads to the proxy")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--rate", type=float, default=0.1, help="share of requests that are faulty")
parser.add_argument("--conflicts", action="store_true", help="a conflict on every apply, once")
parser.add_argument("--skew", type=float, default=0.0, help="seconds the clock is ahead")
given = parser.parse_args()
run_for_ever(
    given.kubeconfig,
    Chaos(given.seed, given.rate, conflicts=given.conflicts, skew=given.skew),
    given.out,
)
