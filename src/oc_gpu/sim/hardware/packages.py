"""`dnf` in a UBI or driver container: which packages it sees, and what it prints."""

import re
from urllib.parse import urlsplit

from oc_gpu.sim.hardware.entitlement import Standing, judge
from oc_gpu.sim.hardware.model import Outcome, View, failing
from oc_gpu.sim.scenario import Repository

_UBI = re.compile(r"ubi(\d+)")
_SUMMARY = "Development package for building kernel modules to match the kernel"
_CDN = "https://cdn.redhat.com"


def can_reach_internet(view: View) -> bool:
    """Tell whether a container gets out: directly, or by the proxy of its environment."""
    network = view.scenario.network
    if network.direct_internet:
        return True
    if network.proxy is None or not network.proxy.reachable:
        return False
    lower = {k.lower(): v.rstrip("/") for k, v in view.env.items()}
    working = {network.proxy.http_proxy.rstrip("/"), network.proxy.https_proxy.rstrip("/")}
    return lower.get("https_proxy") in working


def rhel_major(view: View) -> str:
    """Return the RHEL release whose repositories the container uses."""
    ubi = _UBI.search(view.image)
    if ubi:
        return ubi[1]
    version = view.node.os_release.get("RHEL_VERSION") or "8"
    return version.split(".", maxsplit=1)[0]


def search_kernel_devel(view: View) -> Outcome:
    """Answer `dnf search kernel-devel --showduplicates`."""
    seconds = view.scenario.latencies.dnf_search
    head: tuple[str, ...] = (
        "Updating Subscription Management repositories.",
        "Unable to read consumer identity",
        "Subscription Manager is operating in container mode.",
    )
    standing = judge(view.files, view.scenario.subscription, view.now).standing
    repositories = _usable(view, standing)
    if not repositories:
        head = (
            *head,
            (
                "This system is not registered to Red Hat Subscription Management. "
                "You can use subscription-manager to register."
            ),
        )
    trouble = _download_trouble(view, standing, repositories)
    if trouble:
        return failing(*head, *trouble, seconds=seconds)
    matches = _matches(repositories)
    tail = (_banner(), *matches) if matches else ("No matches found.",)
    return Outcome(log=(*head, *_progress(view, repositories), *tail), seconds=seconds)


def kernel_devel_problem(view: View) -> tuple[str, ...]:
    """Return what dnf prints when the build packages of the node's kernel cannot be installed."""
    standing = judge(view.files, view.scenario.subscription, view.now).standing
    repositories = _usable(view, standing)
    trouble = _download_trouble(view, standing, repositories)
    if trouble:
        return trouble
    if not repositories:
        return (
            "Error: Unable to find a match: elfutils-libelf-devel.x86_64",
            (
                "FATAL: failed to install elfutils packages. "
                "RHEL entitlement may be improperly deployed."
            ),
        )
    kernel = view.node.kernel
    release, _, architecture = kernel.rpartition(".")
    if any(release in r.kernel_devel for r in repositories):
        return ()
    return (
        (
            f"Error: Unable to find a match: kernel-headers-{release}.{architecture} "
            f"kernel-devel-{release}.{architecture}"
        ),
    )


def _usable(view: View, standing: Standing) -> tuple[Repository, ...]:
    shown = {Standing.VALID, Standing.REVOKED, Standing.KEY_MISMATCH}
    major = f"rhel-{rhel_major(view)}-"
    return tuple(
        r
        for r in view.scenario.subscription.repositories
        if r.id.startswith(major) and (not r.entitled or standing in shown)
    )


def _download_trouble(
    view: View, standing: Standing, repositories: tuple[Repository, ...]
) -> tuple[str, ...]:
    first = repositories[0].id if repositories else f"ubi-{rhel_major(view)}-baseos"
    url = f"{_CDN}/content/dist/rhel{rhel_major(view)}/{rhel_major(view)}/x86_64/baseos/os"
    if not can_reach_internet(view):
        cause = f"Curl error {_no_connection(view)} for {url}/repodata/repomd.xml"
    elif view.scenario.network.resigned_tls:
        cause = (
            f"Curl error (60): SSL peer certificate or SSH remote key was not OK for "
            f"{url}/repodata/repomd.xml [SSL certificate problem: self signed certificate in "
            "certificate chain]"
        )
    elif not repositories:
        return ()
    elif standing is Standing.REVOKED:
        cause = f"Status code: 403 for {url}/repodata/repomd.xml"
    elif standing is Standing.KEY_MISMATCH:
        cause = (
            f"Curl error (58): Problem with the local SSL certificate for "
            f"{url}/repodata/repomd.xml [key values mismatch]"
        )
    else:
        return ()
    return (
        f"Errors during downloading metadata for repository '{first}':",
        f"  - {cause}",
        (
            f"Error: Failed to download metadata for repo '{first}': Cannot download repomd.xml: "
            "Cannot download repodata/repomd.xml: All mirrors were tried"
        ),
    )


def _no_connection(view: View) -> str:
    """Return curl's words for a way out that is closed: to a proxy that is down, or at all."""
    proxy = view.scenario.network.proxy
    asked = any(name.lower() == "https_proxy" for name in view.env)
    if proxy is None or proxy.reachable or not asked:
        return "(28): Timeout was reached"
    address = urlsplit(proxy.https_proxy)
    where = f"{address.hostname} port {address.port}"
    return f"(7): Couldn't connect to server [Failed to connect to {where}: Connection refused]"


def _progress(view: View, repositories: tuple[Repository, ...]) -> tuple[str, ...]:
    ubi = f"Red Hat Universal Base Image {rhel_major(view)} (RPMs) - BaseOS"
    titles = [*(r.title for r in repositories), ubi]
    return tuple(f"{t[:54]:<54} 8.1 MB/s |  30 MB     00:03" for t in titles)


def _matches(repositories: tuple[Repository, ...]) -> tuple[str, ...]:
    versions = sorted({v for r in repositories for v in r.kernel_devel}, key=_version_key)
    return tuple(f"kernel-devel-{v}.x86_64 : {_SUMMARY}" for v in versions)


def _banner() -> str:
    return " Name Exactly Matched: kernel-devel ".center(79, "=")


def _version_key(version: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", version)]
