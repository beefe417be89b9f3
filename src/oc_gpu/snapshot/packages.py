"""Reading what the catalogs offer for the few packages of the road.

PackageManifests are served by an aggregated API that cannot be watched and whose full list is tens
of megabytes, so each package is asked for by name. By name the server answers with the first
catalog that has it; when that is not the one wanted, the catalog's own list is read instead
(operator-lifecycle-manager, package-server registry).
"""

import asyncio
from collections.abc import Mapping

from msgspec import Struct, field

from oc_gpu.kube import Client
from oc_gpu.kube.resources import PACKAGE_MANIFESTS
from oc_gpu.snapshot.kinds import Meta

NAMESPACE = "openshift-marketplace"


class ChannelHead(Struct, frozen=True, rename="camel"):
    """The CSV at the head of a channel."""

    version: str = ""
    annotations: dict[str, str] = field(default_factory=dict)


class Channel(Struct, frozen=True):
    """A channel of a package."""

    name: str = ""
    current_csv: str = field(default="", name="currentCSV")
    head: ChannelHead = field(default_factory=ChannelHead, name="currentCSVDesc")


class PackageStatus(Struct, frozen=True, rename="camel"):
    """What a catalog offers of a package."""

    catalog_source: str = ""
    catalog_source_namespace: str = ""
    package_name: str = ""
    default_channel: str = ""
    channels: list[Channel] = field(default_factory=list)


class PackageManifest(Struct, frozen=True):
    """A package of a catalog."""

    metadata: Meta = field(default_factory=Meta)
    status: PackageStatus = field(default_factory=PackageStatus)


async def read_packages(client: Client, wanted: Mapping[str, str]) -> tuple[PackageManifest, ...]:
    """Return the offers for some packages.

    Args:
        client: The cluster.
        wanted: Preferred catalog by package name.

    Raises:
        ApiError: PackageManifests may not be read.
    """
    found = await asyncio.gather(*(_read(client, name, cat) for name, cat in wanted.items()))
    return tuple(package for package in found if package is not None)


async def _read(client: Client, name: str, catalog: str) -> PackageManifest | None:
    first = await client.find(PACKAGE_MANIFESTS, name, NAMESPACE, type=PackageManifest)
    if first is None or first.status.catalog_source == catalog:
        return first
    listed = await client.list(
        PACKAGE_MANIFESTS, NAMESPACE, label_selector=f"catalog={catalog}", type=PackageManifest
    )
    named = (item for item in listed.items if item.metadata.name == name)
    return next(named, first)
