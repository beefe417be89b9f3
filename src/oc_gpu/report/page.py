"""A diagnosis as one HTML page that needs nothing else: no script, no font, no other file."""

from collections.abc import Iterable
from html import escape

from oc_gpu.checks.catalogue import LAYERS, SURE
from oc_gpu.checks.model import Finding, Severity
from oc_gpu.report.documents import Diagnosis

_STYLE = """
:root{color-scheme:light dark;--line:#8888;--bad:#c9190b;--warn:#b5651d;--good:#3e8635}
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin:0 0 .3rem}
article{border-left:4px solid var(--line);padding:.2rem 1rem;margin:1.2rem 0}
article.error{border-color:var(--bad)}article.warning{border-color:var(--warn)}
.meta{opacity:.75;font-size:.9rem}dt{font-size:.85rem;opacity:.75}dd{margin:0 0 .4rem}
summary{cursor:pointer;margin:1rem 0}
pre,code{font:13px/1.45 ui-monospace,monospace;overflow-wrap:anywhere;white-space:pre-wrap}
pre{background:#8881;padding:.5rem .8rem;margin:.3rem 0}
svg{width:100%;height:auto}svg text{font:13px system-ui,sans-serif;fill:currentColor}
svg rect{stroke:var(--line)}svg .hit{stroke:var(--bad);stroke-width:2.5}
svg .none{opacity:.55}svg circle{fill:var(--line)}svg rect{fill:Canvas}
svg .after{stroke:var(--warn);stroke-dasharray:4 3}svg path{stroke:var(--line);fill:none}
"""
_HEAD = {
    "healthy": "Healthy: nothing is wrong with the GPU stack in what was read",
    "absent": "No GPU stack is installed here",
    "under way": "The GPU stack is not ready yet, and not late",
    "noted": "Nothing of the GPU stack is broken in what was read; something is worth a look",
    "cause": "The cause was found",
    "unclear": "Something is wrong, and what was read does not name the cause",
    "unknown": "Too little could be read",
}


def document(made: Diagnosis) -> str:
    """Return the page of a diagnosis."""
    title = made.findings[0].title if made.verdict == "cause" else _HEAD[made.verdict]
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(_HEAD[made.verdict])}</h1>",
        f'<p class="meta">{escape(made.source)}{_release(made)}</p>',
        *(_article(one) for one in made.findings if one.explained_by is None),
        chain(made.findings) if made.findings else "",
        _folded([one for one in made.findings if one.explained_by is not None]),
        _list("Missing", [f"{one.what}: {one.why}; {one.command}" for one in made.unheard]),
        _list("Not read", [f"{name}: {why}" for name, why in made.unread.items()]),
        _list("Notes", made.notes),
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _release(made: Diagnosis) -> str:
    release = made.cluster.openshift
    return f", OpenShift {escape(release)}" if release else ""


def _list(title: str, lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h2>{title}</h2><ul>{items}</ul>" if items else ""


def _article(one: Finding) -> str:
    after = f", follows from {one.explained_by}" if one.explained_by else ""
    sure = f"{one.confidence:.0%} sure" if one.confidence >= SURE else "a hint only"
    seen = "".join(
        f"<dt>{escape(e.where)}</dt><dd><code>{escape(e.quote)}</code></dd>" for e in one.evidence
    )
    fix = escape("\n".join(one.remedy))
    return (
        f'<article class="{one.severity}"><h2>{escape(one.title)}</h2>'
        f'<p class="meta">{one.code}, layer {escape(one.layer)}, {sure}{after}</p>'
        f"<p>{escape(one.means)}</p><dl>{seen}</dl>{f'<pre>{fix}</pre>' if fix else ''}</article>"
    )


def _folded(following: list[Finding]) -> str:
    """Return what follows from the cause: there to be opened, and not in the way."""
    if not following:
        return ""
    count = f"{len(following)} more, which {'follows' if len(following) == 1 else 'follow'} from it"
    inner = "".join(map(_article, following))
    return f"<details><summary>{count}</summary>{inner}</details>"


_WIDTH, _ROW, _BOX, _LEFT = 760, 34, 26, 170
_EMPTY = 20
"""Height of a layer in which nothing was found."""


def chain(findings: Iterable[Finding]) -> str:
    """Return the causal chain as SVG: the layers in causal order, with what was found."""
    every = [one for one in findings if one.severity is Severity.ERROR]
    root = next((one for one in every if one.explained_by is None), None)
    rows, top, line = [], 4, _LEFT + 20
    for layer in LAYERS:
        here = [one for one in every if one.layer == layer]
        if here:
            kind = "hit" if root in here and root is not None else "after"
            rows.append(
                f'<text x="0" y="{top + 18}">{layer}</text>'
                f'<rect class="{kind}" x="{_LEFT}" y="{top}" width="{_WIDTH - _LEFT - 4}" '
                f'height="{_BOX}" rx="4"/>'
                f'<text x="{_LEFT + 10}" y="{top + 18}">{escape(_short(here[0]))}</text>'
            )
            top += _ROW
        else:
            rows.append(
                f'<text class="none" x="0" y="{top + 13}">{layer}</text>'
                f'<circle class="none" cx="{line}" cy="{top + 9}" r="3"/>'
            )
            top += _EMPTY
    height = top + 4
    rows.insert(0, f'<path d="M{line} 8 V{top - 8}"/>')
    body = "".join(rows)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="layers in causal order, with what was found">{body}</svg>'
    )


_LONGEST = 74


def _short(one: Finding) -> str:
    text = f"{one.code}  {one.title}"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
