"""The real OLM, with catalogs of the real bundles of the NFD and the GPU Operator."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml
from msgspec import Struct

from lab.ground import Site
from lab.programs import module, program
from lab.services import start_service
from oc_gpu.kube import RawObject, Resource
from oc_gpu.kube.resources import CATALOG_SOURCES, CRDS

MARKETPLACE: Final = "openshift-marketplace"
NAMESPACE: Final = "openshift-operator-lifecycle-manager"
_PACKAGE_SERVER: Final = ("172.30.200.10", 5443)
_CATALOG_PORT: Final = 50051
_SERVICE: Final = "packageserver-service"
_SERVICES: Final = Resource("", "v1", "services", "Service")
_ENDPOINTS: Final = Resource("", "v1", "endpoints", "Endpoints")
_API_SERVICES: Final = Resource(
    "apiregistration.k8s.io", "v1", "apiservices", "APIService", namespaced=False
)


class Package(Struct, frozen=True):
    """One operator of a catalog.

    Attributes:
        name: Name of the package.
        channels: Channels that offer the bundle; the first is the default.
        source: Go module that has the bundle.
        folder: Where in it the bundle's manifests are.
    """

    name: str
    channels: tuple[str, ...]
    source: str
    folder: str


class Catalog(Struct, frozen=True):
    """A CatalogSource, and the address in the cluster at which it is served."""

    name: str
    display_name: str
    publisher: str
    address: str
    packages: tuple[Package, ...]


CATALOGS: Final = (
    Catalog(
        "certified-operators",
        "Certified Operators",
        "Red Hat",
        "172.30.200.20",
        (
            Package(
                "gpu-operator-certified",
                ("v25.10", "stable"),
                "github.com/NVIDIA/gpu-operator",
                "bundle/manifests",
            ),
        ),
    ),
    Catalog(
        "redhat-operators",
        "Red Hat Operators",
        "Red Hat",
        "172.30.200.21",
        (
            Package(
                "nfd",
                ("stable",),
                "github.com/openshift/cluster-nfd-operator",
                "manifests/stable/manifests",
            ),
        ),
    ),
)


def bundle(package: Package) -> list[RawObject]:
    """Return the manifests of a package's bundle.

    Raises:
        LabError: Its module is not there.
    """
    files = sorted((module(package.source) / package.folder).glob("*.yaml"))
    documents = (yaml.load_all(f.read_text(), Loader=yaml.CSafeLoader) for f in files)
    return [d for each in documents for d in each if d]


def file_based_catalog(package: Package) -> Iterator[RawObject]:
    """Yield a package as OLM's file-based catalog has it.

    The manifests are in the catalog itself and the bundle has no image: in life a Job unpacks it.
    """
    manifests = bundle(package)
    csv = next(m for m in manifests if m["kind"] == "ClusterServiceVersion")
    name, version = csv["metadata"]["name"], csv["spec"]["version"]
    properties = [_property("package", {"packageName": package.name, "version": version})]
    properties += [_property("gvk", kind) for kind in _kinds(manifests)]
    for manifest in manifests:
        text = json.dumps(manifest, default=str).encode()
        properties.append(_property("bundle.object", {"data": base64.b64encode(text).decode()}))
    default, *_ = package.channels
    yield {"schema": "olm.package", "name": package.name, "defaultChannel": default}
    for channel in package.channels:
        yield {
            "schema": "olm.channel",
            "package": package.name,
            "name": channel,
            "entries": [{"name": name}],
        }
    yield {
        "schema": "olm.bundle",
        "name": name,
        "package": package.name,
        "image": "",
        "properties": properties,
    }


async def start(site: Site) -> None:
    """Start the catalogs, OLM's two operators and its package server."""
    for catalog in CATALOGS:
        await serve_catalog(site, catalog)
        await site.client.create(CATALOG_SOURCES, _catalog_source(catalog), MARKETPLACE)
    reaches = [f"{c.address}:{_CATALOG_PORT}" for c in CATALOGS]
    operators = (
        (program("catalog"), "--namespace", MARKETPLACE),
        (program("olm"), "--namespace", NAMESPACE, "--writeStatusName", ""),
    )
    for command in operators:
        await start_service(site, command, reaches=reaches)
    await _start_package_server(site, reaches)


async def serve_catalog(site: Site, catalog: Catalog) -> None:
    """Serve the bundles of a catalog at its address."""
    folder = site.network.new_folder() / "packages"
    for package in catalog.packages:
        path = folder / package.name / "catalog.json"
        path.parent.mkdir(parents=True)
        path.write_text("\n".join(json.dumps(e) for e in file_based_catalog(package)))
    await start_service(
        site,
        (
            program("opm"),
            "serve",
            "/configs",
            f"--port={_CATALOG_PORT}",
            "--termination-log=/ended",
            "--pprof-addr=",
        ),
        serves={(catalog.address, _CATALOG_PORT): _CATALOG_PORT},
        mounts={"/configs": str(folder)},
    )


async def _start_package_server(site: Site, reaches: list[str]) -> None:
    """Serve PackageManifests, behind the API server's aggregation layer."""
    address, port = _PACKAGE_SERVER
    command: list[str | Path] = [program("package-server"), "--secure-port", str(port)]
    command += ["--global-namespace", MARKETPLACE]
    await start_service(site, command, reaches=reaches, serves={_PACKAGE_SERVER: port})
    await site.client.create(_SERVICES, _service(address, port), NAMESPACE)
    await site.client.create(_ENDPOINTS, _endpoints(port), NAMESPACE)
    await site.client.create(_API_SERVICES, _api_service(port))


def _service(address: str, port: int) -> RawObject:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": _SERVICE, "namespace": NAMESPACE},
        "spec": {"clusterIP": address, "ports": [{"port": port, "targetPort": port}]},
    }


def _endpoints(port: int) -> RawObject:
    """Return what the aggregation layer wants to see; streams go by the service's address."""
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": _SERVICE, "namespace": NAMESPACE},
        "subsets": [{"addresses": [{"ip": "10.128.0.10"}], "ports": [{"port": port}]}],
    }


def _api_service(port: int) -> RawObject:
    return {
        "apiVersion": _API_SERVICES.api_version,
        "kind": _API_SERVICES.kind,
        "metadata": {"name": "v1.packages.operators.coreos.com"},
        "spec": {
            "group": "packages.operators.coreos.com",
            "version": "v1",
            "groupPriorityMinimum": 2000,
            "versionPriority": 15,
            "insecureSkipTLSVerify": True,
            "service": {"name": _SERVICE, "namespace": NAMESPACE, "port": port},
        },
    }


def _catalog_source(catalog: Catalog) -> RawObject:
    return {
        "apiVersion": CATALOG_SOURCES.api_version,
        "kind": CATALOG_SOURCES.kind,
        "metadata": {"name": catalog.name, "namespace": MARKETPLACE},
        "spec": {
            "sourceType": "grpc",
            "address": f"{catalog.address}:{_CATALOG_PORT}",
            "displayName": catalog.display_name,
            "publisher": catalog.publisher,
        },
    }


def _kinds(manifests: list[RawObject]) -> Iterator[RawObject]:
    for manifest in manifests:
        if manifest["kind"] == CRDS.kind:
            spec = manifest["spec"]
            for version in spec["versions"]:
                kind = spec["names"]["kind"]
                yield {"group": spec["group"], "kind": kind, "version": version["name"]}


def _property(name: str, value: RawObject) -> RawObject:
    return {"type": f"olm.{name}", "value": value}
