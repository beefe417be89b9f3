"""Set up, prove, explain and undo NVIDIA GPUs on Red Hat OpenShift."""

__version__ = "0.1.0"
