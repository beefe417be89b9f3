"""What is true of GPU Operator releases, and which of them a cluster is to get."""

from collections.abc import Iterable
from functools import cache

from msgspec import Struct

from oc_gpu.facts.loading import carry_forward, convert, read
from oc_gpu.facts.model import GpuLabels, GpuOperatorFile, GpuOperatorRelease, OperatorRow
from oc_gpu.facts.versions import minor, numbers, within


@cache
def gpu_operator() -> GpuOperatorFile:
    """Return everything that is known of the GPU Operator."""
    content = read("gpu_operator.yaml")
    content["eras"] = carry_forward(content["eras"])
    return convert(content, GpuOperatorFile)


def gpu_labels() -> GpuLabels:
    """Return the names of node labels around GPUs."""
    return gpu_operator().labels


@cache
def gpu_operator_release(csv_or_version: str) -> GpuOperatorRelease:
    """Return what is known of a GPU Operator release.

    An unknown release gets the facts of the newest known one before it, with `exact` False.

    Args:
        csv_or_version: Such as `gpu-operator-certified.v25.10.1` or `25.10.1`.

    Raises:
        ValueError: The text holds no version.
    """
    wanted = numbers(csv_or_version)
    known = gpu_operator().releases
    before = [row for row in known if numbers(row.version) <= wanted]
    return _release(before[-1] if before else known[0], wanted)


def gpu_operator_releases() -> tuple[GpuOperatorRelease, ...]:
    """Return all known GPU Operator releases, oldest first."""
    return tuple(gpu_operator_release(row.version) for row in gpu_operator().releases)


def _release(row: OperatorRow, wanted: tuple[int, ...]) -> GpuOperatorRelease:
    about = gpu_operator()
    eras = [era for era in about.eras if numbers(era.since) <= numbers(row.version)]
    return GpuOperatorRelease(
        version=".".join(map(str, wanted)),
        openshift=row.openshift,
        channels=row.channels,
        driver=row.driver,
        era=eras[-1],
        avoid=row.avoid,
        exact=numbers(row.version) == wanted,
        source=about.source,
        date=about.date,
    )


class Offer(Struct, frozen=True):
    """A release of the operator that a catalog offers.

    Attributes:
        channel: Channel of the package.
        csv: ClusterServiceVersion.
        default: The channel is the package's default one.
        head: It is the newest of its channel.
    """

    channel: str
    csv: str
    default: bool = False
    head: bool = True


class OperatorChoice(Struct, frozen=True):
    """Which release of the operator a cluster gets.

    Attributes:
        offer: What to subscribe to.
        release: What is known of it.
        certified: It is certified for this OpenShift.
        reason: Why this one (one clause).
    """

    offer: Offer
    release: GpuOperatorRelease
    certified: bool
    reason: str


def choose_gpu_operator(
    openshift_version: str,
    offers: Iterable[Offer],
    *,
    channel: str | None = None,
    version: str | None = None,
) -> OperatorChoice | None:
    """Return the release to install, None when nothing that fits is offered.

    Catalogs carry every channel ever made, so that a channel is there says nothing about support:
    what counts is the range of OpenShift releases that a release is certified for.

    Args:
        openshift_version: Version of the cluster.
        offers: What the catalog has.
        channel: Only this channel.
        version: Only this release.
    """
    every = [
        _Candidate(offer, gpu_operator_release(offer.csv))
        for offer in offers
        if channel in (None, offer.channel)
    ]
    wanted = None if version is None else numbers(version)
    fitting = [c for c in every if wanted is None or numbers(c.offer.csv) == wanted]
    if not fitting:
        return None
    sound = [c for c in fitting if not c.release.avoid] or fitting
    certified = [c for c in sound if c.certified(openshift_version)]
    if certified:
        best = max(certified, key=_Candidate.rank)
        reason = _reason(best, openshift_version)
        return OperatorChoice(best.offer, best.release, certified=True, reason=reason)
    best = _nearest(sound, openshift_version)
    reason = (
        f"no release that the catalog offers is certified for OpenShift "
        f"{_short(openshift_version)}; {best.release.version} is the nearest"
    )
    return OperatorChoice(best.offer, best.release, certified=False, reason=reason)


class _Candidate(Struct, frozen=True):
    offer: Offer
    release: GpuOperatorRelease

    def certified(self, openshift_version: str) -> bool:
        return self.release.exact and within(openshift_version, self.release.openshift)

    def rank(self) -> tuple[bool, tuple[int, ...], bool, bool, str]:
        """Order: heads of channels first, then newer ones, then the channel that stays there.

        A channel of one minor release never moves the cluster to a release that is not certified
        for it, as `stable` does.
        """
        offer = self.offer
        return (
            offer.head,
            numbers(offer.csv),
            offer.default and offer.channel.startswith("v"),
            offer.channel.startswith("v"),
            offer.channel,
        )


def _nearest(candidates: list[_Candidate], openshift_version: str) -> _Candidate:
    wanted = minor(openshift_version)
    older = [c for c in candidates if minor(c.release.openshift[0]) <= wanted]
    if older:
        return max(older, key=_Candidate.rank)
    return min(candidates, key=lambda c: (numbers(c.offer.csv), not c.offer.head))


def _reason(best: _Candidate, openshift_version: str) -> str:
    first, last = best.release.openshift
    what = "newest offered release" if best.offer.head else "newest offered release, pinned,"
    return (
        f"{best.release.version} from channel {best.offer.channel}: {what} certified for "
        f"OpenShift {_short(openshift_version)} (certified for {first} to {last})"
    )


def _short(version: str) -> str:
    return ".".join(map(str, minor(version)))
