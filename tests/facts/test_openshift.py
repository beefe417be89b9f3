"""Facts of OpenShift releases and of the NFD that each ships."""

import pytest

from oc_gpu.facts import (
    OpenShiftRelease,
    choose_nfd_channel,
    openshift_release,
    openshift_releases,
)
from oc_gpu.facts.loading import carry_forward
from oc_gpu.facts.versions import minor

KNOWN = [release.version for release in openshift_releases()]


@pytest.fixture(params=KNOWN)
def release(request: pytest.FixtureRequest) -> OpenShiftRelease:
    return openshift_release(request.param)


def test_every_release_from_4_4_to_4_22_and_5_0_is_known() -> None:
    assert [f"4.{n}" for n in range(4, 23)] + ["5.0"] == KNOWN


def test_a_release_is_found_by_any_of_its_patches(release: OpenShiftRelease) -> None:
    assert openshift_release(f"{release.version}.17") is release
    assert release.exact


def test_kubernetes_counts_up_with_openshift(release: OpenShiftRelease) -> None:
    position = KNOWN.index(release.version)
    assert release.kubernetes == f"1.{17 + position}"


def test_ignition_is_one_that_the_release_reads(release: OpenShiftRelease) -> None:
    number = minor(release.version)
    expected = {True: "2.2.0", False: "3.2.0"}[number <= (4, 5)]
    assert release.ignition == ("3.1.0" if number == (4, 6) else expected)


def test_nfd_has_a_channel_a_place_and_workers_on_workers(release: OpenShiftRelease) -> None:
    nfd = release.nfd
    assert nfd.channels == (("stable",) if minor(release.version) > (4, 8) else (release.version,))
    assert {o.name for o in nfd.operands if o.on == "workers"} == {"nfd-worker"}
    assert "NoSchedule" in nfd.worker_tolerates
    assert (nfd.install == "global") == (nfd.namespace == "openshift-operators")


def test_nfd_that_cannot_be_global_gets_its_own_group(release: OpenShiftRelease) -> None:
    if minor(release.version) >= (4, 13):
        assert release.nfd.install == "own"


def test_the_walk_through_s_release_has_its_names() -> None:
    nfd = openshift_release("4.4.33").nfd
    assert nfd.namespace == "openshift-operators"
    assert nfd.operand_namespace == "ocp-nfd"
    assert nfd.deployment == "nfd-operator"
    assert {o.kind for o in nfd.operands} == {"DaemonSet"}


def test_every_entry_says_where_it_comes_from(release: OpenShiftRelease) -> None:
    for entry in (release, release.nfd):
        assert entry.source
        assert entry.date.startswith("20")


def test_an_unknown_newer_release_gets_the_newest_known_facts_and_says_so() -> None:
    found = openshift_release("5.7.1")
    assert (found.version, found.exact) == ("5.7", False)
    assert found.nfd == openshift_release("5.0").nfd


def test_a_release_between_known_ones_gets_the_facts_of_the_one_before() -> None:
    found = openshift_release("4.23.0")
    assert (found.version, found.exact, found.rhel) == ("4.23", False, "9.8")


def test_a_release_older_than_all_gets_the_oldest_facts() -> None:
    found = openshift_release("4.2")
    assert (found.exact, found.ignition) == (False, "2.2.0")


def test_a_text_without_version_is_refused() -> None:
    with pytest.raises(ValueError, match="no version"):
        openshift_release("latest")


@pytest.mark.parametrize(
    ("offered", "default", "expected"),
    [
        (["4.4", "4.5"], "4.5", "4.4"),
        (["alpha"], "alpha", "alpha"),
        (["alpha"], "beta", None),
        ([], "", None),
    ],
)
def test_the_preferred_channel_of_nfd_wins_over_the_default(
    offered: list[str], default: str, expected: str | None
) -> None:
    assert choose_nfd_channel(openshift_release("4.4").nfd, offered, default) == expected


def test_entries_carry_forward_what_the_next_leaves_out_but_not_its_source() -> None:
    entries = [
        {"since": "1", "source": "a", "date": "d", "x": 1, "y": 1},
        {"since": "2", "source": "b", "y": 2},
    ]
    assert carry_forward(entries)[1] == {"since": "2", "source": "b", "x": 1, "y": 2}
