"""Every manifest that `render` can make is taken by the real server, unknown fields forbidden."""

import asyncio
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from lab.control_plane import control_plane
from lab.processes import Processes

from lab import olm, schemas
from oc_gpu import facts
from oc_gpu.config import Entitlement, read_entitlement
from oc_gpu.facts.versions import numbers
from oc_gpu.kube import AlreadyExistsError, Client, RawObject, Resource
from oc_gpu.kube.codec import encode
from oc_gpu.kube.errors import ApiError, Asked
from oc_gpu.kube.resources import CRDS, NAMESPACES, SERVICE_ACCOUNTS
from oc_gpu.kube.sending import Call
from oc_gpu.manifests.examples import find_example
from tests.facts import reference
from tests.lab import variants
from tests.lab.rendered import fitting, rendered
from tests.portal import portal_zip

pytestmark = pytest.mark.lab
NFD_RELEASE = "4.17"
SAMPLES = "samples/nodefeaturediscovery/nodefeaturediscovery"
NFD_GROUP, GPU_GROUP = "nfd.openshift.io", "nvidia.com"
GPU_PACKAGE, NFD_PACKAGE = (catalog.packages[0] for catalog in olm.CATALOGS)


class Case(NamedTuple):
    """A manifest, and what it is for."""

    what: str
    manifest: RawObject


@pytest.fixture(scope="module")
def entitlement(tmp_path_factory: pytest.TempPathFactory) -> Entitlement:
    return read_entitlement(portal_zip(tmp_path_factory.mktemp("portal")))


def test_manifests_for_the_bundles_of_the_lab_are_accepted(entitlement: Entitlement) -> None:
    bundles = [olm.bundle(GPU_PACKAGE), olm.bundle(NFD_PACKAGE)]
    definitions = [m for each in bundles for m in each if m["kind"] == CRDS.kind]
    policy, nfd = (
        _example(bundles[0], "ClusterPolicy"),
        _example(bundles[1], "NodeFeatureDiscovery"),
    )
    cases = [
        Case(f"OpenShift {release.version}", manifest)
        for release in facts.openshift_releases()
        for _, manifest in rendered(release.version, nfd, {"25.10.1": policy}, entitlement)
        if manifest["kind"] != "NodeFeatureDiscovery" or release.version == NFD_RELEASE
    ]
    kinds = {case.manifest["kind"] for case in cases}
    assert {"MachineConfig", "Subscription", "ClusterPolicy", "NodeFeatureDiscovery"} <= kinds
    assert "\n".join(asyncio.run(_refused(definitions, cases))) == ""


def test_manifests_for_every_release_of_the_reference_are_accepted(
    entitlement: Entitlement,
) -> None:
    older = reference.folder() / "crds" / "older"
    operators = {
        _release(path): reference.read(f"samples/clusterpolicy/{path.name}")
        for path in (reference.folder() / "samples" / "clusterpolicy").iterdir()
    }
    policies = {_release(p): p for p in older.glob(f"{GPU_GROUP}_clusterpolicies__*.yaml")}
    discoveries = {_release(p): p for p in older.glob(f"{NFD_GROUP}_nodefeaturediscover*.yaml")}
    known = {version: policy for version, policy in operators.items() if version in policies}
    cases: list[Case] = []
    for release in facts.openshift_releases():
        nfd = reference.read(f"{SAMPLES}__ocp{release.version}.yaml")
        offered = fitting(release.version, known)
        for operator, manifest in rendered(release.version, nfd, offered, entitlement):
            what = f"OpenShift {release.version}, GPU Operator {operator}"
            newest = _newest(discoveries, release.version)
            cases.append(Case(what, _moved(manifest, operator, newest)))
    definitions = [
        variants.definition(reference.read(f"crds/older/{path.name}"), version)
        for files in (policies, discoveries)
        for version, path in files.items()
    ]
    assert len({case.what for case in cases}) > len(facts.openshift_releases())
    assert "\n".join(asyncio.run(_refused(definitions, cases))) == ""


def _example(bundle: list[RawObject], kind: str) -> RawObject:
    csv = next(m for m in bundle if m["kind"] == "ClusterServiceVersion")
    found = find_example(csv["metadata"]["annotations"]["alm-examples"], kind)
    assert found is not None
    return found


def _release(path: Path) -> str:
    return path.stem.rpartition("__")[2].removeprefix("v").removeprefix("ocp")


def _newest(known: Iterable[str], version: str) -> str:
    """Return the newest known release that is not newer than another."""
    return max((v for v in known if numbers(v) <= numbers(version)), key=numbers)


def _moved(manifest: RawObject, operator: str, openshift: str) -> RawObject:
    group = str(manifest["apiVersion"]).partition("/")[0]
    releases = {GPU_GROUP: operator, NFD_GROUP: openshift}
    return variants.moved(manifest, releases[group]) if group in releases else manifest


async def _refused(definitions: list[RawObject], cases: list[Case]) -> list[str]:
    """Return what the real server says against each manifest; every one is asked once."""
    once: dict[str, Case] = {}
    for case in cases:
        once.setdefault(json.dumps(case.manifest, sort_keys=True, default=str), case)
    with TemporaryDirectory(prefix="oc-gpu-") as place:
        folder = Path(place)
        async with (
            Processes(folder / "logs") as processes,
            control_plane(folder / "c", processes, controllers=False) as plane,
            plane.client() as client,
        ):
            own = await schemas.define(client, [*schemas.definitions(), *definitions])
            served = (*own, *(await client.discover()).resources)
            kinds = {(r.api_version, r.kind): r for r in served}
            for name in {c.manifest["metadata"].get("namespace") for c in once.values()} - {None}:
                await _prepare(client, name)
            answers = [await _answer(client, kinds, case) for case in once.values()]
            return [text for text in answers if text]


async def _prepare(client: Client, namespace: str) -> None:
    """Make a namespace with what the controller-manager puts into it."""
    with suppress(AlreadyExistsError):
        await client.create(NAMESPACES, _named("Namespace", namespace))
    with suppress(AlreadyExistsError):
        await client.create(SERVICE_ACCOUNTS, _named("ServiceAccount", "default"), namespace)


def _named(kind: str, name: str) -> RawObject:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}


async def _answer(client: Client, kinds: dict[tuple[str, str], Resource], case: Case) -> str:
    """Ask the server to create an object, only to see whether it would; return its refusal."""
    manifest, meta = case.manifest, case.manifest["metadata"]
    resource = kinds[manifest["apiVersion"], manifest["kind"]]
    target = f"{resource.path(meta.get('namespace'))}?dryRun=All&fieldValidation=Strict"
    asked = Asked("create", resource, meta["name"], meta.get("namespace"))
    try:
        await client._write(Call(asked, "POST", target, encode(manifest)))
    except AlreadyExistsError:
        return ""
    except ApiError as error:
        return f"{case.what}: {manifest['kind']}/{meta['name']}: {error}"
    return ""
