"""ClusterPolicy out of the example of the CSV that will be installed, with our changes."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from oc_gpu.facts import DriverImage, GpuOperatorRelease
from oc_gpu.kube import RawObject
from oc_gpu.manifests.labels import labels
from oc_gpu.manifests.merging import at, merge, put, without
from oc_gpu.manifests.proxy import Proxy, environment
from oc_gpu.snapshot.kinds import GPU

STAGE = "gpu-operator"
KIND = "ClusterPolicy"
RUNTIME = "crio"
BUILT_IN: RawObject = {"key": GPU, "operator": "Exists", "effect": "NoSchedule"}
"""What the operator gives its DaemonSets by itself. A list of our own replaces that, so ours
starts with it."""


class PolicyWishes(Struct, frozen=True, kw_only=True):
    """What of the example is to be changed.

    Attributes:
        proxy: The cluster's proxy; only operators that do not find it by themselves get it.
        tolerations: More tolerations for the operands.
        driver: Another driver image.
        pull_secrets: Secrets with which that one is pulled.
        mig_strategy: How divided cards are offered, empty for as the example says.
        mig_layouts: ConfigMap with layouts of one's own, empty for the operator's.
        licence: What holds the licence of virtual GPUs, empty for none.
        overrides: Fields to merge over the spec at the end; null takes one away.
    """

    proxy: Proxy | None = None
    tolerations: tuple[RawObject, ...] = ()
    driver: DriverImage | None = None
    pull_secrets: tuple[str, ...] = ()
    mig_strategy: str = ""
    mig_layouts: str = ""
    licence: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)


def cluster_policy(
    example: RawObject, release: GpuOperatorRelease, wishes: PolicyWishes
) -> RawObject:
    """Return the ClusterPolicy for a release.

    Args:
        example: The one of the CSV (`examples.find_example`).
        release: Facts of the release.
        wishes: What is to be changed.
    """
    spec = dict(example.get("spec") or {})
    for path in release.era.refused:
        spec = without(spec, path)
    if release.era.runtime:
        spec = put(spec, ("operator", "defaultRuntime"), RUNTIME)
    spec = _with_proxy(spec, release, wishes.proxy)
    spec = _with_tolerations(spec, release, wishes.tolerations)
    spec = _with_driver(spec, wishes)
    spec = _with_mig(spec, release, wishes)
    spec = _with_licence(spec, release, wishes.licence)
    return {
        "apiVersion": example["apiVersion"],
        "kind": KIND,
        "metadata": {"name": example["metadata"]["name"], "labels": labels(STAGE)},
        "spec": merge(spec, wishes.overrides),
    }


def _with_proxy(spec: RawObject, release: GpuOperatorRelease, proxy: Proxy | None) -> RawObject:
    variables = environment(proxy)
    if not variables or release.era.proxy or not release.era.driver_env:
        return spec
    ours = {variable["name"] for variable in variables}
    present = at(spec, ("driver", "env")) or []
    kept = [variable for variable in present if variable.get("name") not in ours]
    return put(spec, ("driver", "env"), [*kept, *variables])


def _with_tolerations(
    spec: RawObject, release: GpuOperatorRelease, tolerations: tuple[RawObject, ...]
) -> RawObject:
    if not tolerations:
        return spec
    for path in release.era.tolerations:
        present = at(spec, path) or [BUILT_IN]
        new = [toleration for toleration in tolerations if toleration not in present]
        spec = put(spec, path, [*present, *new])
    return spec


def _with_driver(spec: RawObject, wishes: PolicyWishes) -> RawObject:
    if wishes.pull_secrets:
        spec = put(spec, ("driver", "imagePullSecrets"), list(wishes.pull_secrets))
    driver = wishes.driver
    if driver is None:
        return spec
    image = {"repository": driver.repository, "image": driver.image, "version": driver.version}
    return merge(spec, {"driver": image})  # type: ignore[no-any-return]


def _with_mig(spec: RawObject, release: GpuOperatorRelease, wishes: PolicyWishes) -> RawObject:
    if wishes.mig_strategy and release.era.mig:
        spec = put(spec, ("mig", "strategy"), wishes.mig_strategy)
    if wishes.mig_layouts and release.era.mig_layouts:
        spec = put(spec, ("migManager", "config", "name"), wishes.mig_layouts)
    return spec


def _with_licence(spec: RawObject, release: GpuOperatorRelease, holder: str) -> RawObject:
    if not (holder and release.era.licence):
        return spec
    path = ("driver", "licensingConfig")
    told = {release.era.licence: holder}
    by_token = {"nlsEnabled": True} if release.era.licence_token else {}
    return put(spec, path, {**(at(spec, path) or {}), **told, **by_token})


def toleration_of(key: str, value: str, effect: str) -> RawObject:
    """Return the toleration of exactly one taint."""
    if not value:
        return {"key": key, "operator": "Exists", "effect": effect}
    return {"key": key, "operator": "Equal", "value": value, "effect": effect}
