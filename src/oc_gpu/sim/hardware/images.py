"""What image references tell: registry, tag, digest, the driver inside."""

import hashlib
import re

from oc_gpu.sim.hardware.releases import Release, release
from oc_gpu.sim.scenario import ImageFacts, Scenario

_DRIVER_TAG = re.compile(r":(\d{3}\.\d+(?:\.\d+)?)(?:-[\w.]+)?$")


def facts_of(scenario: Scenario, reference: str) -> ImageFacts | None:
    """Return what the scenario says about an image."""
    return next((i for i in scenario.images if i.reference == reference), None)


def registry_of(reference: str) -> str:
    """Return the registry host of an image reference."""
    first, slash, _ = reference.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    return first if named else "docker.io"


def image_id(scenario: Scenario, reference: str) -> str:
    """Return the imageID that a container status shows: name@digest."""
    facts = facts_of(scenario, reference)
    name, at, digest = reference.partition("@")
    last = name.rpartition("/")[2]
    bare = name if at else name.removesuffix(f":{last.partition(':')[2]}")
    if facts and facts.digest:
        return f"{bare}@{facts.digest}"
    return f"{bare}@{digest or 'sha256:' + hashlib.sha256(reference.encode()).hexdigest()}"


def pull_problem(scenario: Scenario, reference: str) -> str | None:
    """Return why an image cannot be pulled, as the kubelet words it; None when it can."""
    facts = facts_of(scenario, reference)
    host = registry_of(reference)
    prefix = "rpc error: code = Unknown desc ="
    if facts and facts.missing:
        return f"{prefix} reading manifest in {reference}: manifest unknown"
    network = scenario.network
    open_way = network.direct_internet or (network.proxy is not None and network.proxy.configured)
    if host in network.unreachable_registries or not open_way:
        return (
            f"{prefix} error pinging docker registry {host}: "
            f'Get "https://{host}/v2/": dial tcp: i/o timeout'
        )
    return None


def driver_in(scenario: Scenario, reference: str) -> Release:
    """Return the driver that a driver image holds: what the scenario says, the tag, the default."""
    facts = facts_of(scenario, reference)
    if facts and facts.driver:
        return release(facts.driver)
    tag = _DRIVER_TAG.search(reference)
    if tag and tag[1] != scenario.driver.version:
        return release(tag[1])
    return release(scenario.driver.version, scenario.driver.cuda)


def loaded_release(scenario: Scenario, version: str) -> Release:
    """Return what is known of a loaded driver version."""
    cuda = scenario.driver.cuda if version == scenario.driver.version else None
    return release(version, cuda)
