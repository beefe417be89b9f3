"""The CustomResourceDefinitions of an OpenShift cluster, read from the pinned modules."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import yaml

from lab.programs import module
from oc_gpu.kube import Client, RawObject, Replaced, Resource, Updated
from oc_gpu.kube.resources import CRDS

_OPENSHIFT: Final = "github.com/openshift/api"
_MACHINE_CONFIG: Final = "github.com/openshift/machine-config-operator"
_FILES: Final = {
    _OPENSHIFT: tuple(
        f"{group}/zz_generated.crd-manifests/*.yaml"
        for group in ("config/v1", "security/v1", "route/v1", "operator/v1", "operator/v1alpha1")
    ),
    _MACHINE_CONFIG: ("install/*.crd.yaml", "manifests/*.crd.yaml"),
    "github.com/operator-framework/api": ("crds/*.yaml",),
    "github.com/prometheus-operator/prometheus-operator": (
        "example/prometheus-operator-crd/*_prometheusrules.yaml",
        "example/prometheus-operator-crd/*_servicemonitors.yaml",
    ),
    "sigs.k8s.io/node-feature-discovery": ("deployment/base/nfd-crds/nfd-api-crds.yaml",),
}
_WANTED: Final = frozenset(
    f"{plural}.{group}"
    for group, plurals in {
        "config.openshift.io": (
            "apiservers clusteroperators clusterversions dnses featuregates imagecontentpolicies"
            " imagedigestmirrorsets images imagetagmirrorsets infrastructures ingresses networks"
            " nodes operatorhubs proxies schedulers"
        ),
        "operator.openshift.io": "etcds imagecontentsourcepolicies",
        "security.openshift.io": "securitycontextconstraints",
        "route.openshift.io": "routes",
        "machineconfiguration.openshift.io": (
            "containerruntimeconfigs controllerconfigs kubeletconfigs machineconfigpools"
            " machineconfigs"
        ),
        "operators.coreos.com": (
            "catalogsources clusterserviceversions installplans olmconfigs operatorconditions"
            " operatorgroups operators subscriptions"
        ),
        "monitoring.coreos.com": "prometheusrules servicemonitors",
        "nfd.k8s-sigs.io": "nodefeatures nodefeaturegroups nodefeaturerules",
    }.items()
    for plural in plurals.split()
)
_OTHER_FEATURE_SETS: Final = (
    "CustomNoUpgrade",
    "DevPreviewNoUpgrade",
    "Hypershift",
    "OKD",
    "TechPreviewNoUpgrade",
)


def definitions() -> Iterator[RawObject]:
    """Yield the definitions of the kinds that the road and its operators use.

    The machine-config kinds come from the machine-config-controller's own module: newer ones
    refuse what it writes. An ImageStream is an aggregated API in life; here it is a definition
    that takes any fields.

    Raises:
        LabError: A module is not there, or a definition is not in it.
    """
    found: set[str] = set()
    for path in _files():
        for document in yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader):
            name = (document or {}).get("metadata", {}).get("name")
            if name in _WANTED - found and document["kind"] == CRDS.kind:
                found.add(name)
                yield document
    if missing := sorted(_WANTED - found):
        raise LookupError(f"no definition of {', '.join(missing)} in the pinned modules")
    yield _image_streams()


async def install(client: Client) -> tuple[Resource, ...]:
    """Create the definitions of a cluster, and return their kinds once they are served."""
    return await define(client, list(definitions()))


async def define(client: Client, wanted: Sequence[RawObject]) -> tuple[Resource, ...]:
    """Create definitions, wait until the server serves all of them, and return their kinds.

    Discovery names them a moment later.
    """
    await asyncio.gather(*(client.create(CRDS, d) for d in wanted))
    names = {d["metadata"]["name"] for d in wanted}
    async for event in client.watch(CRDS):
        match event:
            case Replaced(items):
                names -= _established(items)
            case Updated(changed):
                names -= _established([changed])
        if not names:
            break
    return tuple(map(_resource, wanted))


def _files() -> Iterator[Path]:
    for name, patterns in _FILES.items():
        for pattern in patterns:
            for path in sorted(module(name).glob(pattern)):
                if not any(other in path.name for other in _OTHER_FEATURE_SETS):
                    yield path


def _resource(definition: RawObject) -> Resource:
    spec = definition["spec"]
    version = next(v["name"] for v in spec["versions"] if v["storage"])
    names, scope = spec["names"], spec["scope"]
    return Resource(
        spec["group"], version, names["plural"], names["kind"], namespaced=scope == "Namespaced"
    )


def _established(definitions: Iterable[RawObject]) -> set[str]:
    return {
        d["metadata"]["name"]
        for d in definitions
        for c in d.get("status", {}).get("conditions") or []
        if c["type"] == "Established" and c["status"] == "True"
    }


def _image_streams() -> RawObject:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": anything},
    }
    names = {"kind": "ImageStream", "plural": "imagestreams", "shortNames": ["is"]}
    return {
        "apiVersion": CRDS.api_version,
        "kind": CRDS.kind,
        "metadata": {"name": "imagestreams.image.openshift.io"},
        "spec": {
            "group": "image.openshift.io",
            "scope": "Namespaced",
            "names": names,
            "versions": [version],
        },
    }
