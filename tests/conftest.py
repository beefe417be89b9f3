"""What all tests share."""

import signal

from hypothesis import HealthCheck, settings

settings.register_profile(
    "project", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=False
)
settings.load_profile("project")

# A shell that starts the tests in the background has them ignore SIGINT, and every program that
# they start inherits it: none could be interrupted then.
signal.signal(signal.SIGINT, signal.default_int_handler)
