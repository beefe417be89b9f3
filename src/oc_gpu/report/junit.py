"""A diagnosis as JUnit XML: one test case a check, as continuous integration reads it."""

import re
from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from oc_gpu.checks.catalogue import Check
from oc_gpu.checks.model import Finding, Severity
from oc_gpu.report.documents import Diagnosis

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not allow, not even escaped; logs hold them."""


def document(made: Diagnosis, checks: Iterable[Check[Any]]) -> str:
    """Return the diagnosis as JUnit XML.

    Args:
        made: The diagnosis.
        checks: All checks that were run; those without a finding have passed.
    """
    every = list(checks)
    known = {check.code for check in every}
    by_code: dict[str, list[Finding]] = {}
    for one in made.findings:
        by_code.setdefault(one.code, []).append(one)
    cases = [_case(c.layer, c.code, c.title, by_code.get(c.code, [])) for c in every]
    cases += [
        _case(found[0].layer, code, found[0].check, found)
        for code, found in by_code.items()
        if code not in known
    ]
    failed = sum(any(one.severity is Severity.ERROR for one in f) for f in by_code.values())
    head = f'<testsuite name="oc-gpu doctor" tests="{len(cases)}" failures="{failed}">'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', head, *cases, "</testsuite>"]
    return "\n".join(lines) + "\n"


def _case(layer: str, code: str, title: str, found: list[Finding]) -> str:
    name = _attribute(f"{code} {title}")
    inner = "".join(_inner(one) for one in found)
    return f"<testcase classname={_attribute(layer)} name={name}>{inner}</testcase>"


def _inner(one: Finding) -> str:
    lines = [f"{e.where}: {e.quote}" for e in one.evidence] + [f"do: {r}" for r in one.remedy]
    body = escape(_clean("\n".join(lines)))
    if one.severity is Severity.ERROR:
        kind = _attribute(one.cause or "unclear")
        return f"<failure type={kind} message={_attribute(one.title)}>{body}</failure>"
    return f"<system-out>{escape(_clean(one.title))}\n{body}</system-out>"


def _attribute(text: str) -> str:
    return quoteattr(_clean(text))


def _clean(text: str) -> str:
    return _NO_XML.sub("?", text)
