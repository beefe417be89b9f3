"""Checks: pure functions from what is known to findings, the same live and offline."""
