"""The README shows what the program prints."""

import pytest

from tests.cli import readme


@pytest.mark.slow
def test_outputs_of_the_readme_are_those_of_real_runs() -> None:
    text = readme.README.read_text("utf-8")
    assert len(readme.blocks(text)) >= 5
    shown, now = map(readme.without_tallies, (text, readme.renewed(text)))
    assert shown != text
    assert now == shown, "run: python -m tests.cli.readme"
