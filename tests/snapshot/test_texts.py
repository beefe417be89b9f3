"""Texts are searched by their words first; what is found is what reading them would find."""

from hypothesis import example, given
from hypothesis import strategies as st

from oc_gpu.snapshot.texts import Text, Words

_ATOMS = st.sampled_from(
    (
        "nvidia",
        "NVIDIA",
        "nv",
        "idia",
        "error",
        "Error:",
        " ",
        "-",
        "_",
        "/",
        "7",
        "12",
        "é",
        "İ",
        "ß",
        "(",
        "'",
    )
)
_LINES = st.lists(_ATOMS, max_size=8).map("".join)
_TEXTS = st.lists(_LINES, max_size=6)
_PHRASES = st.lists(st.lists(_ATOMS, min_size=1, max_size=4).map("".join), min_size=1, max_size=3)


def _holds(line: str, parts: list[str]) -> bool:
    lowered, at = line.lower(), 0
    for part in parts:
        at = lowered.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


@given(_TEXTS, _PHRASES)
@example(["could not insert 'nvidia'"], ["could not insert 'nv"])
@example(["xid 79, pid=1"], ["id 79"])
@example(["İnvidia error"], ["nvidia er"])
def test_what_is_found_is_what_reading_finds(lines: list[str], phrase: list[str]) -> None:
    parts = [part.lower() for part in phrase]
    found = [(line.number, line.text) for line in Text(lines).find(parts)]
    assert found == [(n, line) for n, line in enumerate(lines, 1) if _holds(line, parts)]


@given(st.lists(_TEXTS, max_size=3), _PHRASES)
def test_what_some_text_holds_all_words_together_may_hold(
    texts: list[list[str]], phrase: list[str]
) -> None:
    parts = [part.lower() for part in phrase]
    together = Words.all_of(Text(lines) for lines in texts)
    if any(_holds(line, parts) for lines in texts for line in lines):
        assert all(map(together.may_hold, parts))


def test_words_that_are_nowhere_are_known_to_be_missing() -> None:
    words = Words.of("nvrm: xid (pci:0000:3b:00): 79, gpu has fallen off the bus")
    assert words.may_hold("as fallen off th")
    assert not words.may_hold("as fallen from th")
    assert not words.may_hold("fallen off thy")
    assert not words.may_hold("nouveau")


def test_of_lines_that_differ_in_digits_only_the_first_is_kept_under_its_number() -> None:
    every = [f"retry {n} of the request to the server" for n in range(4000)]
    every[2000] = "the GPU fell off"
    text = Text.of("\n".join(every).encode(), first=11)
    assert [(line.number, line.text) for line in text] == [
        *((11 + 10**power - (power == 0), every[10**power - (power == 0)]) for power in range(4)),
        (2011, "the GPU fell off"),
    ]
    assert [line.number for line in text.find(("gpu fell",))] == [2011]
    assert len(text) == 5
