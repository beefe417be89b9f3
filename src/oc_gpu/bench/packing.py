"""The workloads as one file that any Python with PyTorch runs: a zip application."""

import io
import zipfile
from pathlib import Path

from oc_gpu.bench import workloads

ARCHIVE = "workloads.pyz"
"""Name under which the workloads travel."""
_MAIN = """import sys

from workloads.__main__ import main

sys.exit(main())
"""
_DATE = (1980, 1, 1, 0, 0, 0)
"""Date of all files in it, so that the same workloads give the same bytes."""


def archive() -> bytes:
    """Return the file, which `python workloads.pyz` runs (PEP 441)."""
    folder = Path(workloads.__file__).parent
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        _add(made, "__main__.py", _MAIN)
        for path in sorted(folder.glob("*.py")):
            _add(made, f"{folder.name}/{path.name}", path.read_text("utf-8"))
    return packed.getvalue()


def _add(made: zipfile.ZipFile, name: str, text: str) -> None:
    made.writestr(zipfile.ZipInfo(name, _DATE), text, zipfile.ZIP_DEFLATED)
