"""How the commands that write end: the result on stdout, the exit code."""

import sys
from functools import partial
from typing import Literal

from oc_gpu.cli.gates import Gates
from oc_gpu.cli.settings import Settings
from oc_gpu.report import output, walk
from oc_gpu.report.look import is_terminal
from oc_gpu.rollout.events import Outcome


def finish(
    settings: Settings,
    kind: Literal["Enable", "Isolate", "Disable"],
    gates: Gates,
    outcome: Outcome,
) -> int:
    """Show how a walk ended and return the exit code."""
    document = walk.document(kind, gates.cluster(), outcome)
    shown = is_terminal(sys.stderr) and is_terminal(sys.stdout)
    output.put(document, partial(walk.text, shown=shown), settings.output, settings.color)
    return 0 if document.done else 1
