"""YAML of the simulation itself: scenarios, faults, what is written into ConfigMaps."""

from typing import Any


def load(text: str) -> Any:
    """Return the one document of a text, by libyaml where it is there: it is seven times faster.

    Raises:
        yaml.YAMLError: It is not YAML.
    """
    import yaml  # noqa: PLC0415  # slow to import, and only needed here

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(text, Loader=loader)  # noqa: S506  # both are safe
