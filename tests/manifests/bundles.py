"""What real CSVs carry: examples and CRDs, from the simulator's bundles."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import oc_gpu.sim
from oc_gpu.kube import RawObject
from oc_gpu.manifests.examples import find_example

NAMES = (
    "gpu-operator-certified.v1.5.2",
    "gpu-operator-certified.v25.10.1",
    "nfd.v4.4.0",
    "nfd.v4.20.0",
)


@cache
def bundle(name: str) -> Any:
    """Return a bundle."""
    folder = Path(oc_gpu.sim.__file__).parent / "bundles"
    return json.loads((folder / f"{name}.json").read_text())


def example(name: str, kind: str) -> RawObject:
    """Return an example of a CSV, as a catalog gives it."""
    found = find_example(json.dumps(bundle(name)["examples"]), kind)
    assert found is not None
    return found


def schema(name: str, kind: str) -> RawObject:
    """Return the schema that the CSV's own CRD has for a kind."""
    for crd in bundle(name)["crds"]:
        if crd["spec"]["names"]["kind"] == kind:
            found: RawObject = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
            return found
    raise LookupError(kind)
