"""Pure builders of the objects that we make, one module per subject.

Each returns a new `RawObject` with our labels; what depends on a release comes from its facts.
"""

from oc_gpu.manifests import (
    clusterpolicy,
    entitlement,
    examples,
    labels,
    merging,
    namespaces,
    nfd,
    olm,
    proxy,
    verify,
)
from oc_gpu.manifests.proxy import Proxy

__all__ = [
    "Proxy",
    "clusterpolicy",
    "entitlement",
    "examples",
    "labels",
    "merging",
    "namespaces",
    "nfd",
    "olm",
    "proxy",
    "verify",
]
