"""Queries of logs and journals, read as the kubelet reads them."""

from urllib.parse import parse_qs

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lab.kubelet.backend import JournalQuery, LogOptions, RefusedError
from lab.kubelet.options import journal_query, log_options


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", LogOptions()),
        ("follow=true&previous=false&timestamps=1", LogOptions(follow=True, timestamps=True)),
        ("tailLines=0&limitBytes=7", LogOptions(tail_lines=0, limit_bytes=7)),
        ("tail=5", LogOptions(tail_lines=5)),
        ("tail=all&tailLines=3", LogOptions()),
        ("sinceSeconds=60", LogOptions(since_seconds=60)),
        ("sinceTime=1970-01-01T00:01:00Z", LogOptions(since_time=60)),
        ("sinceTime=1970-01-01T01:01:00%2B01:00&stream=All", LogOptions(since_time=60)),
    ],
)
def test_the_options_of_a_log_are_read(query: str, options: LogOptions) -> None:
    assert log_options(parse_qs(query)) == options


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("tailLines=many", 400),
        ("follow=perhaps", 400),
        ("sinceTime=yesterday", 400),
        ("sinceTime=2020-01-01T00:00:00", 400),
        ("stream=Stdout", 400),
        ("tailLines=-1", 422),
        ("sinceSeconds=0", 422),
        ("limitBytes=0", 422),
        ("sinceSeconds=1&sinceTime=2020-01-01T00:00:00Z", 422),
    ],
)
def test_options_that_make_no_sense_are_refused(query: str, code: int) -> None:
    with pytest.raises(RefusedError) as refused:
        log_options(parse_qs(query))
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", JournalQuery()),
        ("boot=0&grep=10de", JournalQuery(pattern="10de")),
        ("boot=-1&pattern=10de&tailLines=3", JournalQuery("10de", boot=-1, tail_lines=3)),
        ("grep=a&case-sensitive=true", JournalQuery("a", case_sensitive=True)),
        ("unit=kubelet&unit=crio&tail=9", JournalQuery(units=("kubelet", "crio"), tail_lines=9)),
        ("query=kubelet", JournalQuery(units=("kubelet",))),
        ("since=-1h&output=cat", JournalQuery(others={"since": "-1h", "output": "cat"})),
    ],
)
def test_a_journals_query_is_read_by_both_sets_of_names(query: str, asked: JournalQuery) -> None:
    assert journal_query(parse_qs(query)) == asked


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("boot=1", "must be less than 1"),
        ("boot=first", "cannot be understood"),
        ("pattern=(", "pattern: Invalid value"),
    ],
)
def test_a_journals_query_that_makes_no_sense_is_refused(query: str, told: str) -> None:
    with pytest.raises(RefusedError, match=told) as refused:
        journal_query(parse_qs(query))
    assert refused.value.code == 400


_names = st.sampled_from(("follow", "tailLines", "tail", "sinceTime", "limitBytes", "boot", "grep"))


@given(st.dictionaries(_names, st.lists(st.text(max_size=20), max_size=2)))
@example({"grep": ["[["]})
def test_whatever_is_asked_for_is_read_or_refused(query: dict[str, list[str]]) -> None:
    for read in (log_options, journal_query):
        try:
            read(query)
        except RefusedError as refused:
            assert refused.code in {400, 422}  # noqa: PT017
