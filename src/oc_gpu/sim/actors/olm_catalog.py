"""Catalogs: CatalogSources become READY, PackageManifests show what they offer."""

from collections.abc import Iterator, Sequence
from typing import Any

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import CATALOG_SOURCES, PACKAGE_MANIFESTS
from oc_gpu.sim import bundles
from oc_gpu.sim.actors.framework import Controller, Watch
from oc_gpu.sim.actors.objects import name_of, timestamp
from oc_gpu.sim.bundles import Bundle
from oc_gpu.sim.scenario import Catalog, Package

NAMESPACE = "openshift-marketplace"


def catalog_source(catalog: Catalog) -> RawObject:
    """Return a CatalogSource as the marketplace operator makes it, without its status."""
    index = "certified-operator" if "certified" in catalog.name else "redhat-operator"
    return {
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "CatalogSource",
        "metadata": {"name": catalog.name, "namespace": NAMESPACE},
        "spec": {
            "displayName": catalog.display_name,
            "image": f"registry.redhat.io/redhat/{index}-index:latest",
            "publisher": catalog.publisher,
            "sourceType": "grpc",
        },
    }


def catalog_status(name: str, now: float, *, down: bool = False) -> RawObject:
    """Return the status of a catalog whose pod answers, or does not."""
    address = f"{name}.{NAMESPACE}.svc:50051"
    return {
        "connectionState": {
            "address": address,
            "lastConnect": timestamp(now),
            "lastObservedState": "TRANSIENT_FAILURE" if down else "READY",
        },
        "registryService": {
            "createdAt": timestamp(now),
            "port": "50051",
            "protocol": "grpc",
            "serviceName": name,
            "serviceNamespace": NAMESPACE,
        },
    }


def package_manifests(catalog: Catalog) -> Iterator[RawObject]:
    """Yield the PackageManifest of every package of a catalog; none of one that is down."""
    for package in () if catalog.down else catalog.packages:
        yield _package_manifest(catalog, package)


def _package_manifest(catalog: Catalog, package: Package) -> RawObject:
    origin = {"catalog": catalog.name, "catalog-namespace": NAMESPACE}
    heads = {name: [bundles.load(b) for b in ids] for name, ids in package.channels.items()}
    provider = next(iter(heads.values()))[-1].csv.spec.get("provider") or {}
    return {
        "apiVersion": "packages.operators.coreos.com/v1",
        "kind": "PackageManifest",
        "metadata": {
            "name": package.name,
            "namespace": NAMESPACE,
            "labels": origin,
        },
        "spec": {},
        "status": {
            "catalogSource": catalog.name,
            "catalogSourceDisplayName": catalog.display_name,
            "catalogSourceNamespace": NAMESPACE,
            "catalogSourcePublisher": catalog.publisher,
            "packageName": package.name,
            "provider": provider,
            "defaultChannel": package.default_channel,
            "channels": [_channel(name, entries) for name, entries in heads.items()],
        },
    }


def _channel(name: str, entries: Sequence[Bundle]) -> RawObject:
    head = entries[-1]
    spec = head.csv.spec
    return {
        "name": name,
        "currentCSV": head.name,
        "currentCSVDesc": {
            "annotations": head.annotations,
            "customresourcedefinitions": spec["customresourcedefinitions"],
            "displayName": spec["displayName"],
            "installModes": spec["installModes"],
            "minKubeVersion": spec.get("minKubeVersion", ""),
            "provider": spec.get("provider") or {},
            "version": head.version,
        },
        "entries": [{"name": b.name, "version": b.version} for b in reversed(entries)],
    }


class Catalogs(Controller):
    """Brings up catalogs that are added later, with what the scenario says that they hold."""

    name = "catalog-operator"

    def watches(self) -> Sequence[Watch]:
        """Return CatalogSources."""
        return (Watch(CATALOG_SOURCES),)

    async def reconcile(self, key: Any) -> None:
        """Connect to a new catalog."""
        source = self.cache(CATALOG_SOURCES).get(key.name, key.namespace)
        if source is None or (source.get("status") or {}).get("connectionState"):
            return
        await self.clock.sleep(self.scenario.latencies.catalog_ready)
        catalog = next((c for c in self.scenario.catalogs if c.name == key.name), None)
        down = catalog is not None and catalog.down
        status = catalog_status(key.name, self.clock.now(), down=down)
        await self.context.patch_status(CATALOG_SOURCES, source, status)
        for manifest in package_manifests(catalog) if catalog else ():
            known = await self.context.client.find(PACKAGE_MANIFESTS, name_of(manifest), NAMESPACE)
            if known is None:
                await self.context.create(PACKAGE_MANIFESTS, manifest, NAMESPACE)
