"""JSON Schemas of what commands print: `python -m oc_gpu.report.schemas docs/schemas`."""

import json
import sys
from pathlib import Path

import msgspec

from oc_gpu.report import documents, simulations
from oc_gpu.report.bench import document as bench
from oc_gpu.report.documents import Document

DOCUMENTS = (*documents.DOCUMENTS, *bench.DOCUMENTS, *simulations.DOCUMENTS)
"""Everything that has a schema."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def file_name(document: type[Document]) -> str:
    """Return the name of the file that holds a document's schema."""
    return f"{document.__name__.lower()}.json"


def schema(document: type[Document]) -> str:
    """Return the schema of a document as indented JSON."""
    made = {"$schema": DIALECT, **msgspec.json.schema(document)}
    return json.dumps(made, indent=2) + "\n"


def files() -> dict[str, str]:
    """Return all schemas by file name."""
    return {file_name(document): schema(document) for document in DOCUMENTS}


def write(folder: Path) -> None:
    """Write all schemas into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
