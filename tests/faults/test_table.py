"""The page on reliability keeps what was not made anew."""

from benchmarks import reliability


def test_a_section_that_is_made_anew_leaves_the_others() -> None:
    parts = {name: f"## {name}\n\ntext of {name}\n" for name in reliability.SECTIONS}
    text = reliability.page(parts)
    assert text.startswith(reliability.HEAD)
    assert reliability.sections(text) == parts


def test_the_published_page_has_all_sections() -> None:
    kept = reliability.sections(reliability.PAGE.read_text("utf-8"))
    assert list(kept) == [name for name in reliability.SECTIONS if name in kept]
    assert "faults" in kept


def test_an_unknown_section_is_refused() -> None:
    assert reliability.main(["floods"]) == 2
