"""Causes by layer: what stops GPUs, how it shows itself, and what to do about it."""
