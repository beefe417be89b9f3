"""Clusters for the chaos."""

from tests.acceptance.conftest import ocp, portal

__all__ = ["ocp", "portal"]
