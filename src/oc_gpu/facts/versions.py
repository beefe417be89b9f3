"""Version numbers as they order: `4.9` comes before `4.20`."""

import re

_NUMBERS = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")

Numbers = tuple[int, ...]


def numbers(text: str) -> Numbers:
    """Return the numbers of the version in a text such as `4.20.3` or `name.v25.10.1`.

    >>> numbers("gpu-operator-certified.v25.10.1")
    (25, 10, 1)
    >>> numbers("4.9") < numbers("4.20")
    True

    Raises:
        ValueError: There is no version in the text.
    """
    found = _NUMBERS.search(text)
    if found is None:
        message = f"{text!r} holds no version number"
        raise ValueError(message)
    return tuple(int(part) for part in found.groups() if part is not None)


def is_version(text: str) -> bool:
    """Tell whether there is a version in a text."""
    return _NUMBERS.search(text) is not None


def minor(text: str) -> Numbers:
    """Return major and minor number of a version."""
    return numbers(text)[:2]


def within(text: str, bounds: tuple[str, str]) -> bool:
    """Tell whether the minor release of a version lies between two, both included.

    A text without a version, as a cluster has that tells none yet, lies between no two.
    """
    return is_version(text) and minor(bounds[0]) <= minor(text) <= minor(bounds[1])
