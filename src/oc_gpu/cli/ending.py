"""Cleaning up, whoever ends or leaves this process."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_ENDS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def cleaning_up() -> Iterator[None]:
    """Take being told to end as Ctrl-C, so that what was begun is cleaned up.

    Raises:
        KeyboardInterrupt: This process was told to end.
    """
    before = {number: signal.getsignal(number) for number in _ENDS}
    try:
        for number in _ENDS:
            signal.signal(number, signal.default_int_handler)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
