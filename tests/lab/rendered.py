"""Everything that `render` can make, for every OpenShift release that the facts know. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from oc_gpu import facts
from oc_gpu.config import Entitlement, EntitlementSpec, GpuPlatform, IsolationSpec, Spec
from oc_gpu.facts.versions import within
from oc_gpu.kube import RawObject
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.snapshot.packages import PackageManifest
from oc_gpu.stages import context as contexts
from oc_gpu.stages.model import Apply
from oc_gpu.stages.road import road
from tests.stages.builders import meta, node

Examples = Mapping[str, RawObject]
"""Release -> the custom resource that its CSV has as an example."""

_CARD: Final = {"feature.node.kubernetes.io/pci-10de.present": "true"}
_PROXY: Final = {
    "metadata": {"name": "cluster"},
    "status": {
        "httpProxy": "http://proxy.example.com:3128",
        "httpsProxy": "http://proxy.example.com:3128",
        "noProxy": ".cluster.local,10.0.0.0/8",
    },
}
_TAINTS: Final = (None, "nodetype=gpu:NoSchedule", "nodetype=gpu:NoExecute")


def rendered(
    openshift: str,
    nfd: RawObject,
    operators: Examples,
    entitlement: Entitlement,
) -> Iterator[tuple[str, RawObject]]:
    """Yield the manifests of one OpenShift release, each with the GPU Operator that it is for.

    Args:
        openshift: Such as `4.17`.
        nfd: The example of NFD's CSV.
        operators: Releases of the GPU Operator that the catalog offers, one at a time.
        entitlement: A subscription certificate.
    """
    for operator, policy in operators.items():
        offers = _offers(openshift, nfd, operator, policy)
        for taint in _TAINTS:
            for proxies in ((), (_PROXY,)):
                snapshot = _snapshot(openshift, offers, proxies)
                context = contexts.build(_wish(taint), snapshot, entitlement)
                for manifest in _manifests(context):
                    yield operator, manifest


def fitting(openshift: str, operators: Examples) -> dict[str, RawObject]:
    """Return the GPU Operators that are certified for a release; all of them when none is."""
    known = {release.version: release for release in facts.gpu_operator_releases()}
    certified = {
        version: example
        for version, example in operators.items()
        if version in known and within(openshift, known[version].openshift)
    }
    return certified or dict(operators)


def _manifests(context: contexts.Context) -> Iterator[RawObject]:
    for plan in road(context):
        for milestone in plan.milestones:
            for action in milestone.actions:
                if isinstance(action, Apply):
                    yield action.manifest


def _wish(taint: str | None) -> GpuPlatform:
    required, isolated = EntitlementSpec(mode="require"), IsolationSpec(taint=taint)
    return GpuPlatform(spec=Spec(entitlement=required, isolation=isolated))


def _snapshot(
    openshift: str, offers: Iterable[PackageManifest], proxies: Iterable[RawObject]
) -> Snapshot:
    version = {"history": [{"state": "Completed", "version": f"{openshift}.30"}]}
    pool = {"metadata": meta("worker"), "spec": {"configuration": {"name": "rendered-worker-1"}}}
    tables: dict[str, tuple[Any, ...]] = {
        "clusterversions": ({"metadata": {"name": "version"}, "status": version},),
        "nodes": (node("master-0", role="master"), node("gpu-0", labels=_CARD)),
        "machineconfigpools": (pool,),
        "packagemanifests": tuple(offers),
        "proxies": tuple(proxies),
    }
    return Snapshot("https://test", now=1.8e9, tables=tables)


def _offers(
    openshift: str, nfd: RawObject, operator: str, policy: RawObject
) -> tuple[PackageManifest, ...]:
    about, gpu = facts.openshift_release(openshift).nfd, facts.gpu_operator()
    csv = f"{gpu.package}.v{operator}"
    return (
        _offer(about.package, about.catalog, about.channels[0], (f"nfd.v{openshift}.0", nfd)),
        _offer(gpu.package, gpu.catalog, "stable", (csv, policy)),
    )


def _offer(
    package: str, catalog: str, channel: str, head: tuple[str, RawObject]
) -> PackageManifest:
    csv, example = head
    described = {"annotations": {"alm-examples": json.dumps([example], default=str)}}
    status = {
        "catalogSource": catalog,
        "catalogSourceNamespace": "openshift-marketplace",
        "packageName": package,
        "defaultChannel": channel,
        "channels": [{"name": channel, "currentCSV": csv, "currentCSVDesc": described}],
    }
    return msgspec.convert({"metadata": {"name": package}, "status": status}, PackageManifest)
