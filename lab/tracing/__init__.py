"""Traces: which object said what, in which order, while a road was walked."""
