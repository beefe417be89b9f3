"""The page of all causes, from their records: `python -m oc_gpu.report.codes docs/causes.md`."""

import sys
from collections.abc import Iterator
from pathlib import Path

from oc_gpu.checks.catalogue import LAYERS
from oc_gpu.checks.doctor import CHECKS, UNEXPLAINED

_HEAD = f"""# Causes

What `oc-gpu doctor` looks for, by layer in causal order: a broken layer explains trouble in those
after it. `oc-gpu explain CODE` shows the same. This page is made from the checks by
`python -m oc_gpu.report.codes docs/causes.md`; the checks of `oc-gpu check` and `oc-gpu verify`
stand in [checks.md](checks.md).

Each finding has a confidence. From one half on it is told as a cause, below as a hint. What a
program said counts as a cause only while whoever said it is in trouble: of a pod that is ready the
same line is a note at most.

### {UNEXPLAINED}

**unexplained**: something is wrong, and what was read does not say why. The finding names the
layer, what is missing, and the command that gets it.
"""


def page() -> str:
    """Return the page in Markdown."""
    return "\n".join([_HEAD, *_sections()])


def _sections() -> Iterator[str]:
    for layer in LAYERS:
        here = sorted((c for c in CHECKS if c.layer == layer), key=lambda check: check.code)
        if here:
            yield f"## Layer {layer}\n"
        for check in here:
            yield f"### {check.code}\n"
            yield f"**{check.name}**: {check.says}.\n"
            yield f"{check.means}\n"
            yield "```console\n" + "\n".join(check.remedy) + "\n```\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), "utf-8")
