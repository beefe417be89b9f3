"""Facts of GPU Operator releases, and the choice among what a catalog offers."""

import pytest

from oc_gpu.facts import (
    GpuOperatorRelease,
    Offer,
    choose_gpu_operator,
    gpu_operator,
    gpu_operator_release,
    gpu_operator_releases,
    openshift_releases,
)
from oc_gpu.facts.versions import minor, numbers, within

RELEASES = {release.version: release for release in gpu_operator_releases()}
CSV = "gpu-operator-certified.v{}"


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> GpuOperatorRelease:
    return RELEASES[request.param]


def offers(*pairs: tuple[str, str], default: str = "") -> list[Offer]:
    return [Offer(channel, CSV.format(v), default=channel == default) for channel, v in pairs]


def every_channel_ever_made() -> list[Offer]:
    """Return what real catalogs offer: the newest of each channel, whatever it supports."""
    heads: dict[str, str] = {}
    for row in gpu_operator().releases:
        for channel in row.channels:
            heads[channel] = row.version
    return offers(*heads.items())


def test_a_release_is_found_by_version_and_by_csv(release: GpuOperatorRelease) -> None:
    assert gpu_operator_release(CSV.format(release.version)) == release
    assert gpu_operator_release(release.version).exact


def test_every_release_has_the_driver_and_the_device_plugin_on_each_gpu_node(
    release: GpuOperatorRelease,
) -> None:
    everywhere = {operand.name for operand in release.era.operands if not operand.only}
    assert {"nvidia-driver-daemonset", "nvidia-device-plugin-daemonset"} <= everywhere
    assert "nvidia-mig-manager" not in everywhere


def test_every_release_from_1_3_on_has_a_place_for_tolerations_of_each_operand(
    release: GpuOperatorRelease,
) -> None:
    if release.toleration_paths == (("daemonsets", "tolerations"),):
        assert numbers(release.version) >= (1, 8, 0)
    elif numbers(release.version) < (1, 3, 0):
        assert release.toleration_paths == ()
    else:
        assert {path[0] for path in release.toleration_paths} == {
            operand.key for operand in release.era.operands
        }


def test_operands_live_beside_the_operator_from_1_9_on(release: GpuOperatorRelease) -> None:
    expected = "gpu-operator-resources" if numbers(release.version) < (1, 9, 0) else "somewhere"
    assert release.operand_namespace("somewhere") == expected


def test_the_namespace_of_operands_is_ours_to_make_up_to_1_6(release: GpuOperatorRelease) -> None:
    made_by_us = release.era.namespace_maker == "administrator"
    assert made_by_us == (numbers(release.version) < (1, 7, 0))


def test_the_proxy_is_ours_to_hand_over_only_in_1_4_and_1_5(release: GpuOperatorRelease) -> None:
    ours = release.era.driver_env and not release.era.proxy
    assert ours == ((1, 4, 0) <= numbers(release.version) < (1, 6, 0))


def test_every_release_says_where_it_comes_from(release: GpuOperatorRelease) -> None:
    assert release.source
    assert release.date
    assert release.era.source


def test_an_unknown_newer_release_gets_the_newest_known_facts_and_says_so() -> None:
    found = gpu_operator_release(CSV.format("27.1.0"))
    assert (found.version, found.exact) == ("27.1.0", False)
    assert found.era == RELEASES["26.7.0"].era


def test_the_walk_through_s_cluster_gets_1_5_2_from_stable() -> None:
    choice = choose_gpu_operator("4.4.33", offers(("stable", "1.5.2")))
    assert choice is not None
    assert (choice.offer.channel, choice.release.version) == ("stable", "1.5.2")
    assert choice.certified


def test_a_channel_of_one_minor_release_is_preferred_to_stable() -> None:
    offered = offers(("stable", "25.10.1"), ("v25.10", "25.10.1"), default="v25.10")
    choice = choose_gpu_operator("4.20.4", offered)
    assert choice is not None
    assert choice.offer.channel == "v25.10"


def test_a_newer_head_that_is_not_certified_is_passed_over() -> None:
    choice = choose_gpu_operator("4.17.9", offers(("stable", "26.7.0"), ("v26.3", "26.3.3")))
    assert choice is not None
    assert choice.release.version == "26.3.3"


@pytest.mark.parametrize("version", [r.version for r in openshift_releases()])
def test_among_all_channels_the_newest_certified_head_is_taken(version: str) -> None:
    offered = every_channel_ever_made()
    choice = choose_gpu_operator(version, offered)
    assert choice is not None
    fitting = [
        offer.csv for offer in offered if within(version, RELEASES[offer.csv[24:]].openshift)
    ]
    assert choice.certified == bool(fitting)
    if fitting:
        assert choice.offer.csv == max(fitting, key=numbers)
    assert choice.reason


def test_where_nothing_is_certified_the_nearest_older_one_is_named_as_such() -> None:
    choice = choose_gpu_operator("5.0.0", offers(("v26.3", "26.3.3"), ("v26.7", "26.7.0")))
    assert choice is not None
    assert (choice.certified, choice.release.version) == (False, "26.7.0")
    assert "certified for OpenShift 5.0" in choice.reason


def test_where_all_that_is_offered_is_too_new_the_oldest_is_the_nearest() -> None:
    choice = choose_gpu_operator("4.4.0", offers(("v24.9", "24.9.2"), ("v1.10", "1.10.1")))
    assert choice is not None
    assert (choice.certified, choice.release.version) == (False, "1.10.1")


def test_a_release_that_is_not_the_head_of_its_channel_is_taken_when_no_head_fits() -> None:
    offered = [
        Offer("stable", CSV.format("24.9.2")),
        Offer("stable", CSV.format("1.5.2"), head=False),
        Offer("stable", CSV.format("1.4.0"), head=False),
    ]
    choice = choose_gpu_operator("4.4.20", offered)
    assert choice is not None
    assert (choice.release.version, choice.offer.head) == ("1.5.2", False)
    assert "pinned" in choice.reason


def test_a_release_known_to_be_broken_is_avoided_where_another_fits() -> None:
    offered = [Offer("v1.8", CSV.format("1.8.0")), Offer("v1.7", CSV.format("1.7.1"))]
    choice = choose_gpu_operator("4.7.5", offered)
    assert choice is not None
    assert choice.release.version == "1.7.1"
    alone = choose_gpu_operator("4.8.5", offered[:1])
    assert alone is not None
    assert alone.release.avoid


def test_the_wish_for_a_channel_or_a_release_narrows_the_choice() -> None:
    offered = offers(("v25.10", "25.10.1"), ("v25.3", "25.3.4"))
    by_channel = choose_gpu_operator("4.18.1", offered, channel="v25.3")
    by_version = choose_gpu_operator("4.18.1", offered, version="25.3.4")
    assert by_channel == by_version
    assert by_channel is not None
    assert by_channel.release.version == "25.3.4"
    assert choose_gpu_operator("4.18.1", offered, version="24.9.2") is None


def test_nothing_offered_gives_no_choice() -> None:
    assert choose_gpu_operator("4.20.0", []) is None


def test_releases_stand_in_order() -> None:
    versions = [numbers(version) for version in RELEASES]
    assert versions == sorted(versions)
    for release in RELEASES.values():
        assert minor(release.openshift[0]) <= minor(release.openshift[1])
