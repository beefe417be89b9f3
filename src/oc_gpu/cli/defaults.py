"""Times, limits and exit codes of the command line, each with its reason."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it: 128 and the number of the signal."""

ANSWER = 30.0
"""Seconds to wait for an answer to begin: a list of thousands of pods takes some."""

UNREACHABLE = 10.0
"""Seconds after which a server is called unreachable: a load balancer fails over in less."""

READING = 120.0
"""Seconds for a command that only reads: far more than a healthy large cluster takes."""

GATHERING = 600.0
"""Seconds for a bundle: some hundred logs through a slow API server."""

TRIAL = 900.0
"""Seconds for `entitlement test`: pulling the image through a slow proxy is most of it."""

START = 1800.0
"""Seconds for `run` until the program runs: a free GPU, and an image of 3 to 8 GB."""

WALK = 4 * 3600.0
"""Seconds for a road: a pool of some ten nodes that reboot one by one, and the operators."""
