from hypothesis import given
from hypothesis import strategies as st

from oc_gpu.manifests.clusterpolicy import BUILT_IN
from oc_gpu.snapshot.kinds import Taint
from oc_gpu.stages.tolerations import for_taint, parse, tolerates, with_taint

GPU = Taint("nodetype", "gpu", "NoSchedule")
_WORD = st.from_regex(r"\A[a-z][a-z0-9./-]{0,8}\Z")
_TAINTS = st.builds(Taint, _WORD, st.just("") | _WORD, st.sampled_from(["NoSchedule", "NoExecute"]))


def test_taint_is_read_as_kubectl_writes_it() -> None:
    assert parse("nodetype=gpu:NoSchedule") == GPU
    assert parse("dedicated:NoExecute") == Taint("dedicated", "", "NoExecute")


def test_built_in_toleration_does_not_cover_a_taint_of_another_key() -> None:
    assert tolerates([BUILT_IN], Taint("nvidia.com/gpu", "present", "NoSchedule"))
    assert not tolerates([BUILT_IN], GPU)


def test_toleration_of_another_effect_or_value_does_not_match() -> None:
    assert not tolerates([{**for_taint(GPU), "effect": "NoExecute"}], GPU)
    assert not tolerates([{**for_taint(GPU), "value": "cpu"}], GPU)


def test_toleration_without_key_and_effect_matches_everything() -> None:
    assert tolerates([{"operator": "Exists"}], GPU)


def test_list_of_ours_starts_with_the_built_in_one_that_it_replaces() -> None:
    assert with_taint(None, GPU) == [BUILT_IN, for_taint(GPU)]


@given(_TAINTS, st.lists(_TAINTS.map(for_taint), max_size=3))
def test_adding_a_taint_twice_changes_nothing_the_second_time(
    taint: Taint, present: list[dict[str, str]]
) -> None:
    once = with_taint(list(present), taint)
    assert tolerates(once, taint)
    assert with_taint(once, taint) == once
