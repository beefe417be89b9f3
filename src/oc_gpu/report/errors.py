"""One form for every error: a sentence, then one `hint:` line for each thing to do."""

import sys
from collections.abc import Iterable

from oc_gpu.report.look import Look


def show(message: str, hints: Iterable[str] = (), doc: str | None = None) -> None:
    """Write an error to stderr.

    Args:
        message: One sentence without final period.
        hints: What to do about it.
        doc: Page or anchor of the documentation that says more.
    """
    look = Look.of(sys.stderr)
    more = (*hints, f"see {doc}") if doc else tuple(hints)
    lines = [look.hanging("error: ", message, paint="error")]
    lines += [look.hanging("hint: ", hint, paint="info") for hint in dict.fromkeys(more)]
    sys.stderr.write("".join(f"{line}\n" for line in lines))
