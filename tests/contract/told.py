"""What the real server says of itself, as it was recorded."""

from pathlib import Path
from typing import Any

import yaml

_TOLD: Any = yaml.safe_load(Path(__file__).with_name("told.yaml").read_text())
COLUMNS: dict[str, list[tuple[str, str, str, int]]] = {
    plural: [tuple(head) for head in heads] for plural, heads in _TOLD["columns"].items()
}
RESOURCES: dict[str, dict[str, Any]] = _TOLD["resources"]
