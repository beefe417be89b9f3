"""What all tests share."""

import gc
import signal

from hypothesis import HealthCheck, settings

settings.register_profile(
    "project", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=False
)
settings.load_profile("project")

# As in the programs themselves: a simulated cluster is many objects that live until its end, and
# looking through them all again and again took a fifth of the time.
gc.set_threshold(100_000, 20, 100)

# A shell that starts the tests in the background has them ignore SIGINT, and every program that
# they start inherits it: none could be interrupted then.
signal.signal(signal.SIGINT, signal.default_int_handler)
