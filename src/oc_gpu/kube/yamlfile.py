"""YAML as Kubernetes programs understand it: times stay text, only true and false are booleans."""

import re
from math import isqrt
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # PyYAML built without libyaml
    from yaml import SafeLoader as _Base  # type: ignore[assignment]

try:
    from yaml import CSafeDumper as _BaseDumper
except ImportError:
    from yaml import SafeDumper as _BaseDumper  # type: ignore[assignment]

_BOOL = "tag:yaml.org,2002:bool"
_ONE_DOCUMENT = "expected a single document in the stream"
"""What PyYAML says when it meets a second one."""
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


_MAX_DEPTH = 1_000
"""Values within values; documents have a dozen levels."""
_UNCHECKED = 5_000
"""Levels that the parser's stack bears without harm: what cannot be deeper is not looked at."""
_OPENERS = (b"[", b"{", b"- ", b"-\t", b"? ")
"""What may open a level within a line; every other level is indented, which takes bytes."""


class YamlError(ValueError):
    """The text is not YAML; the message quotes nothing of it."""


class ManyDocumentsError(YamlError):
    """The text is YAML, but of more than one document."""


class _Loader(_Base):
    """Safe loader without the surprises of YAML 1.1."""


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] not in (_BOOL, _TIMESTAMP)]
    for first, pairs in _Base.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    _BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


class _Dumper(_BaseDumper):
    """Safe dumper that quotes what any reader, old or new, could take for something else."""


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.\d+|\d[\d_]*\.?[\d_]*)(?:[eE][-+]?\d+)?$|^0o[0-7]+$"),
    list("-+.0123456789"),
)
_BLOCK_FROM = 80
"""Characters from which a text of several lines is written as a block."""


def _text(dumper: Any, value: str) -> Any:
    style = "|" if "\n" in value.rstrip("\n") and len(value) > _BLOCK_FROM else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def dump(value: Any) -> str:
    """Return a value as a YAML document that `oc` reads back as it was."""
    return yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=4096,
    )


def _insist_on_depth(raw: bytes) -> None:
    """Refuse a document that is so deep that building it would end the process."""
    if sum(raw.count(mark) for mark in _OPENERS) + isqrt(2 * len(raw)) < _UNCHECKED:
        return
    depth = 0
    for event in yaml.parse(raw, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise YamlError(f"it has more than {_MAX_DEPTH} values within each other")


def parse(raw: bytes) -> Any:
    """Return the value of a document.

    Raises:
        YamlError: It is no YAML; the message names line and column only.
        ManyDocumentsError: There is another document; the message names where it begins.
    """
    try:
        _insist_on_depth(raw)
        return yaml.load(raw, Loader=_Loader)  # noqa: S506 - derived from the safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "no position known"
        many = error.context == _ONE_DOCUMENT
        raise (ManyDocumentsError if many else YamlError)(where) from None
    except yaml.YAMLError:
        raise YamlError("it holds characters that YAML does not allow") from None
    except YamlError:
        raise
    except (ValueError, OverflowError, RecursionError):
        raise YamlError("it holds a value that is far too long or too deep") from None
