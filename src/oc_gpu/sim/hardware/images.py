"""What image references tell: registry, tag, digest, the driver inside."""

import hashlib
import re
from collections.abc import Collection
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from oc_gpu.sim.hardware.releases import Release, release
from oc_gpu.sim.scenario import ImageFacts, Network, Scenario

_DRIVER_TAG = re.compile(r":(\d{3}\.\d+(?:\.\d+)?)(?:-[\w.]+)?$")


def facts_of(scenario: Scenario, reference: str) -> ImageFacts | None:
    """Return what the scenario says about an image, by its reference or a pattern that fits it."""
    return next((i for i in scenario.images if fnmatchcase(reference, i.reference)), None)


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


def pull_problem(scenario: Scenario, reference: str, logins: Collection[str] = ()) -> str | None:
    """Return why an image cannot be pulled, as the kubelet words it; None when it can.

    Mirrors of its repository are asked first, then the registry itself.

    Args:
        scenario: The cluster's facts.
        reference: The image.
        logins: Registries for which the pod has credentials of its own.
    """
    places = (*mirrored(scenario.network, reference), reference)
    problems = [_problem(scenario, place, logins) for place in places]
    return None if None in problems else problems[-1]


def mirrored(network: Network, reference: str) -> tuple[str, ...]:
    """Return where else an image is looked for; mirrors of digests know no tags."""
    by = "digest" if "@" in reference else "tag"
    return tuple(
        place + reference.removeprefix(one.source)
        for one in network.mirrors
        if by in one.pulled_by and reference.startswith((f"{one.source}/", f"{one.source}@"))
        for place in one.mirrors
    )


def _problem(scenario: Scenario, place: str, logins: Collection[str]) -> str | None:
    facts, host, network = facts_of(scenario, place), registry_of(place), scenario.network
    prefix = "rpc error: code = Unknown desc ="
    ping = f'{prefix} error pinging docker registry {host}: Get "https://{host}/v2/":'
    if why := _no_way(scenario, host):
        return f"{ping} {why}"
    if facts and facts.missing:
        return f"{prefix} reading manifest in {place}: manifest unknown"
    if host in network.refusing_registries and host not in logins:
        return f"{prefix} reading manifest in {place}: unauthorized: authentication required"
    return None


def _no_way(scenario: Scenario, host: str) -> str:
    """Return why a node gets no connection that it trusts to a registry, empty when it does."""
    network = scenario.network
    proxy = network.proxy if network.proxy and network.proxy.configured else None
    if host in network.unreachable_registries:
        return "dial tcp: i/o timeout"
    if any(registry_of(place) == host for one in network.mirrors for place in one.mirrors):
        return ""
    if not (network.direct_internet or proxy):
        return "dial tcp: i/o timeout"
    if proxy and not proxy.reachable and not network.direct_internet:
        where = urlsplit(proxy.https_proxy).netloc.rpartition("@")[2]
        return f"proxyconnect tcp: dial tcp {where}: connect: connection refused"
    if network.resigned_tls:
        return "x509: certificate signed by unknown authority"
    return ""


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
