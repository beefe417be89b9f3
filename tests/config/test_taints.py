"""Taints as users write them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oc_gpu.config import Taint, parse_taint
from oc_gpu.config.taints import EFFECTS
from oc_gpu.kube.errors import UsageError

_WORD = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,20}[A-Za-z0-9])?", fullmatch=True)
_DOMAIN = st.sampled_from(["", "nvidia.com/", "a-b.example/"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nodetype=gpu:NoSchedule", Taint("nodetype", "gpu", "NoSchedule")),
        ("key:NoExecute", Taint("key", "", "NoExecute")),
        ("nvidia.com/gpu=:PreferNoSchedule", Taint("nvidia.com/gpu", "", "PreferNoSchedule")),
    ],
)
def test_a_taint_is_key_value_and_effect(text: str, expected: Taint) -> None:
    assert parse_taint(text) == expected


@given(domain=_DOMAIN, key=_WORD, value=_WORD | st.just(""), effect=st.sampled_from(EFFECTS))
def test_what_a_taint_prints_is_read_back_as_the_same(
    domain: str, key: str, value: str, effect: str
) -> None:
    taint = Taint(domain + key, value, effect)
    assert parse_taint(str(taint)) == taint


@given(text=st.text(max_size=30))
def test_any_text_is_a_taint_or_is_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        taint = parse_taint(text)
        assert parse_taint(str(taint)) == taint


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "effect"),
        ("gpu", "effect"),
        ("gpu:", "effect"),
        ("gpu:noschedule", "effect"),
        (":NoSchedule", "key"),
        ("a b:NoSchedule", "key"),
        ("-a:NoSchedule", "key"),
        ("a/b/c:NoSchedule", "key"),
        (f"{'a' * 64}:NoSchedule", "key"),
        (f"{'a.' * 127}a/k:NoSchedule", "key"),
        ("a=b=c:NoSchedule", "value"),
        (f"a={'v' * 64}:NoSchedule", "value"),
        ("a=-:NoSchedule", "value"),
        ("a=b\n:NoSchedule", "value"),
    ],
)
def test_what_kubernetes_would_refuse_is_refused_here(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=f"its {why} must") as caught:
        parse_taint(text)
    assert caught.value.hints
    assert caught.value.exit_code == 2
