"""Taking secrets out of what leaves a cluster: objects, logs, messages.

Pure functions of values. What is hidden in one place by its name (a variable, a flag, the password
of a URL) is known then, and `found_in` returns it, so that it can be hidden wherever else it is
written without a name, in a log for example.
"""

from oc_gpu.snapshot.redaction.objects import found_in, redact
from oc_gpu.snapshot.redaction.texts import HIDDEN, NOTHING, Known, redact_text

__all__ = ["HIDDEN", "NOTHING", "Known", "found_in", "redact", "redact_text"]
