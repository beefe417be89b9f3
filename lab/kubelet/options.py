"""What the query of a request asks for, as kube-apiserver, oc and people write it."""

import re
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime

from lab.kubelet.backend import JournalQuery, LogOptions, RefusedError

Query = Mapping[str, Sequence[str]]

_JOURNAL_OTHERS = ("since", "until", "sinceTime", "untilTime", "output")


def log_options(query: Query) -> LogOptions:
    """Return which part of a log is meant.

    Raises:
        RefusedError: A value cannot be read (400), or makes no sense (422).
    """
    try:
        options = LogOptions(
            follow=_flag(query, "follow"),
            previous=_flag(query, "previous"),
            tail_lines=_tail(query),
            since_seconds=_number(query, "sinceSeconds"),
            since_time=_time(query, "sinceTime"),
            timestamps=_flag(query, "timestamps"),
            limit_bytes=_number(query, "limitBytes"),
        )
    except ValueError as error:
        raise RefusedError(400, '{"message": "Unable to decode query."}') from error
    if not _sensible(options):
        raise RefusedError(422, '{"message": "Invalid request."}')
    wanted = _first(query, "stream") or "All"
    if wanted != "All":
        text = (
            f'unable to return the given log stream: "{wanted}". '
            "Please enable PodLogsQuerySplitStreams feature gate in kubelet"
        )
        raise RefusedError(400, text)
    return options


def journal_query(query: Query) -> JournalQuery:
    """Return which part of a journal is meant.

    OpenShift's kubelet takes the names of `oc adm node-logs` (grep, unit, tail) beside those of
    Kubernetes' node log query (pattern, query, tailLines).

    Raises:
        RefusedError: A value cannot be read.
    """
    try:
        sensitive = _flag(query, "case-sensitive")
        boot = _number(query, "boot") or 0
        tail = _number(query, "tailLines" if _first(query, "tailLines") else "tail")
    except ValueError as error:
        raise RefusedError(400, f"the journal's query cannot be understood: {error}") from error
    if boot > 0:
        raise RefusedError(400, f"boot: Invalid value: {boot}: must be less than 1")
    return JournalQuery(
        pattern=_pattern(query),
        case_sensitive=sensitive,
        boot=boot,
        units=tuple(unit for name in ("unit", "query") for unit in query.get(name, ()) if unit),
        tail_lines=tail,
        others={name: _first(query, name) for name in _JOURNAL_OTHERS if _first(query, name)},
    )


def wants(query: Query, name: str) -> bool:
    """Tell whether a stream of a command is asked for, as the kubelet writes it (`input=1`)."""
    return _first(query, name) == "1"


def _pattern(query: Query) -> str:
    text = _first(query, "pattern") or _first(query, "grep")
    try:
        with warnings.catch_warnings():
            # What future versions of Python may read otherwise (`[[`), journalctl reads today.
            warnings.simplefilter("ignore", FutureWarning)
            re.compile(text)
    except re.error as error:
        raise RefusedError(400, f"pattern: Invalid value: {text!r}: {error}") from error
    return text


def _sensible(options: LogOptions) -> bool:
    at_least = ((options.tail_lines, 0), (options.since_seconds, 1), (options.limit_bytes, 1))
    if any(value is not None and value < least for value, least in at_least):
        return False
    return options.since_seconds is None or options.since_time is None


def _first(query: Query, name: str) -> str:
    return next(iter(query.get(name, ())), "")


def _tail(query: Query) -> int | None:
    old = _first(query, "tail")
    if old:
        return None if old == "all" else int(old)
    return _number(query, "tailLines")


def _number(query: Query, name: str) -> int | None:
    text = _first(query, name)
    return int(text) if text else None


def _flag(query: Query, name: str) -> bool:
    text = _first(query, name) or "false"
    if text.lower() in {"true", "1", "t"}:
        return True
    if text.lower() in {"false", "0", "f"}:
        return False
    raise ValueError(f"{name}={text} is neither true nor false")


def _time(query: Query, name: str) -> float | None:
    text = _first(query, name)
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{name}={text} has no time zone")
    return moment.timestamp()
