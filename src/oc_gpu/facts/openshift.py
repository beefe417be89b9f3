"""What is true of OpenShift releases, Node Feature Discovery included."""

from collections.abc import Collection
from functools import cache

from msgspec.structs import replace

from oc_gpu.facts.loading import carry_forward, convert, read
from oc_gpu.facts.model import NfdRelease, OpenShiftRelease
from oc_gpu.facts.versions import minor


def openshift_release(version: str) -> OpenShiftRelease:
    """Return what is known of an OpenShift release.

    An unknown release gets the facts of the newest known one before it (of the oldest one when
    there is none before), with `exact` False and its own version.

    Args:
        version: Such as `4.20` or `4.20.3`.

    Raises:
        ValueError: The text holds no version.

    >>> openshift_release("4.20.3").ignition
    '3.2.0'
    """
    wanted = minor(version)
    known = openshift_releases()
    before = [release for release in known if minor(release.version) <= wanted]
    nearest = before[-1] if before else known[0]
    if minor(nearest.version) == wanted:
        return nearest
    return replace(nearest, version=".".join(map(str, wanted)), exact=False)


@cache
def openshift_releases() -> tuple[OpenShiftRelease, ...]:
    """Return all known OpenShift releases, oldest first."""
    eras = convert(carry_forward(read("nfd.yaml")["eras"]), tuple[NfdRelease, ...])
    rows = carry_forward(read("openshift.yaml")["releases"])
    return tuple(
        convert({**row, "nfd": _nfd(eras, row["version"])}, OpenShiftRelease) for row in rows
    )


def _nfd(eras: tuple[NfdRelease, ...], version: str) -> NfdRelease:
    era = [era for era in eras if minor(era.since) <= minor(version)][-1]
    return replace(era, channels=tuple(name.format(version=version) for name in era.channels))


def choose_nfd_channel(nfd: NfdRelease, offered: Collection[str], default: str = "") -> str | None:
    """Return the channel to take NFD from.

    Args:
        nfd: The release's facts.
        offered: Channels that the catalog has.
        default: The package's default channel.

    Returns:
        The preferred channel that is offered, else the default one, else None.
    """
    for channel in nfd.channels:
        if channel in offered:
            return channel
    return default if default in offered else None
