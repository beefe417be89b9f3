"""Make docs/reliability.md: every section from a run of what it tells of.

    python -m benchmarks.reliability            # all sections but `lab`, some minutes
    python -m benchmarks.reliability faults     # these only; the others stay as they were

A section is a module with `TITLE` and `text()`, which tries what it is about and returns Markdown.
"""

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
SECTIONS = {
    "faults": "tests.faults.table",
    "chaos": "tests.chaos.table",
    "kills": "tests.chaos.kills",
    "lab": "tests.lab.kills",
    "scale": "benchmarks.scale",
}
"""Module of each section, in the order of the page."""
ON_DEMAND = frozenset({"lab"})
"""Sections that are made only when they are named: they need the lab's programs (`make lab`)."""
HEAD = """# Reliability

What was tried with `enable` on simulated clusters, and what came of it. This page is made by
`make reliability`; each section says when its run was. Times are simulated unless said otherwise.
"""


def main(names: Sequence[str]) -> int:
    """Make some sections anew, all of them by default; return the exit code."""
    unknown = sorted(set(names) - set(SECTIONS))
    if unknown:
        sys.stderr.write(f"no section {unknown[0]}; there are: {', '.join(SECTIONS)}\n")
        return 2
    kept = sections(PAGE.read_text("utf-8")) if PAGE.exists() else {}
    for name in names or (name for name in SECTIONS if name not in ON_DEMAND):
        kept[name] = made(name)
    PAGE.write_text(page(kept), "utf-8")
    return 0


def made(name: str) -> str:
    """Return a section from a run of now."""
    module = importlib.import_module(SECTIONS[name])
    stamp = datetime.now(UTC).strftime("%Y-%m-%d")
    ran = f"Run of {stamp}{_commit()}."
    return f"## {module.TITLE}\n\n{ran}\n\n{module.text().strip()}\n"


def _commit() -> str:
    """Return which commit was tried, nothing outside of a repository."""
    git = shutil.which("git")
    if git is None:
        return ""
    told = subprocess.run(
        [git, "rev-parse", "--short", "HEAD"],
        cwd=PAGE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return f" at commit {told.stdout.strip()}" if told.returncode == 0 else ""


def page(parts: dict[str, str]) -> str:
    """Return the page of some sections, in their order."""
    bodies = (f"\n<!-- {name} -->\n{parts[name]}" for name in SECTIONS if name in parts)
    return HEAD + "".join(bodies)


def sections(text: str) -> dict[str, str]:
    """Return the sections of a page."""
    pieces = re.split(r"\n<!-- ([a-z]+) -->\n", text)[1:]
    return dict(zip(pieces[::2], pieces[1::2], strict=True))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
