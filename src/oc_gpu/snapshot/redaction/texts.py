"""Secrets in free text: what has the shape of one, and what is called one."""

import base64
import binascii
import re
from collections.abc import Iterable
from urllib.parse import unquote

from oc_gpu.snapshot.redaction.called import values_in
from oc_gpu.snapshot.redaction.names import is_likely

HIDDEN = "(redacted)"

_BEGIN = r"-----BEGIN (?P<label>[A-Z0-9 ]{1,64})-----"
_PEM = re.compile(
    _BEGIN + r"(?:(?!-----BEGIN ).){0,65536}?-----END [A-Z0-9 ]{1,64}-----", re.DOTALL
)
_CUT_PEM = re.compile(
    _BEGIN + r"(?=(?:\\[nr]|\s)*(?:\d\S*Z\s+)?[A-Za-z0-9+/]{16})(?:(?!-----BEGIN ).){0,4096}",
    re.DOTALL,
)
"""A block whose end was cut off; a message may name the mark alone."""
_SHAPES = re.compile(
    r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"  # JSON web token
    r"|\bsha256~[\w-]{16,}"  # OAuth token of OpenShift
    r"|\b(?:gh[pousr]_|github_pat_|glpat-|nvapi-|dckr_pat_|hf_|xox[abprs]-|sk-|hvs\.)[\w.-]{16,}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\bAIza[\w-]{35}"
)
_URL = re.compile(
    r"://(?P<given>[^\s/\"'<>]{0,256}|[^\s/:@\"'<>]{1,128}:[^\s\"'<>]{0,256})@(?!sha256:)"
)
"""User and password of a URL up to the last `@`; a password may hold a slash that nobody escaped,
but a port with a path is none."""
_PORT = re.compile(r"[^:]+:\d+/")
_SCHEME = re.compile(r"\b([Bb]earer|BEARER|[Bb]asic|BASIC)(\s+)([\w.~+/-]{6,}=*)")
_RUN = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_LONG_RUN = 60
"""Characters of a run of base64 from which it is hidden whatever it says: lines of PEM have 64."""
_SLASHES = 10
"""Base64 has a slash in 64 characters; a path has one in ten, or more."""
_TELLING = (b"-----BEGIN", b'"auths"', b"PRIVATE KEY", b"password", b"token", b"\x1f\x8b")
_REFERENCES = ("$(", "${", HIDDEN)
_PLAIN = frozenset({"true", "false", "null", "none", "nil", "~", "{}", "[]", "<none>", "<nil>"})


class Known:
    """Secrets that were found by their names, to be hidden wherever they are written."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self.values = frozenset(value for value in values if is_likely(value))
        forms = {form for value in self.values for form in (value, _encoded(value))}
        every = sorted(map(re.escape, forms), key=len, reverse=True)
        self._any = re.compile("|".join(every)) if every else None

    def hide(self, text: str) -> str:
        """Return a text without them."""
        return text if self._any is None else self._any.sub(HIDDEN, text)


NOTHING = Known()


def _encoded(value: str) -> str:
    """Return a value in base64, as a Secret would have it."""
    return base64.b64encode(value.encode()).decode().rstrip("=")


def redact_text(text: str, known: Known = NOTHING) -> str:
    """Return a text without anything secret.

    Args:
        text: A log, a message, the content of a file.
        known: Secrets that are known already.
    """
    return known.hide(Hiding().text(text))


class Hiding:
    """Hides what is secret and keeps what it has hidden.

    Attributes:
        found: Values that were hidden because of their names.
    """

    def __init__(self) -> None:
        self.found: set[str] = set()

    def value(self, value: str) -> str:
        """Hide a whole value that is secret by its name; references and switches stay."""
        if not value or value.lower() in _PLAIN or value.startswith(_REFERENCES):
            return value
        self.found.add(value)
        return HIDDEN

    def text(self, text: str) -> str:
        """Hide what is secret in a text."""
        if "-----BEGIN " in text:
            text = _CUT_PEM.sub(_pem, _PEM.sub(_pem, text))
        if "://" in text:
            text = _URL.sub(self._url, text)
        text = _SHAPES.sub(HIDDEN, text)
        text = _SCHEME.sub(self._scheme, text)
        return _RUN.sub(_run, self._called(text))

    def _url(self, match: re.Match[str]) -> str:
        if _PORT.match(match["given"]):
            return match[0]
        password = match["given"].partition(":")[2]
        if password:
            self.found |= {password, unquote(password)}
        return "://***@"

    def _scheme(self, match: re.Match[str]) -> str:
        if not is_likely(match[3]):
            return match[0]
        self.found.add(match[3])
        return f"{match[1]}{match[2]}{HIDDEN}"

    def _called(self, text: str) -> str:
        parts, at = [], 0
        for start, end in values_in(text):
            parts += [text[at:start], self.value(text[start:end])]
            at = end
        return "".join((*parts, text[at:])) if parts else text


def _pem(match: re.Match[str]) -> str:
    return f"(redacted {match['label']})"


def _run(match: re.Match[str]) -> str:
    run = match[0]
    if not _is_encoded(run):
        return run
    return HIDDEN if len(run) >= _LONG_RUN or _tells(run) else run


def _is_encoded(run: str) -> bool:
    """Tell base64 from digests, which are hexadecimal, and from names and paths."""
    mixed = run not in (run.lower(), run.upper())
    return mixed and any(c.isdigit() for c in run) and run.count("/") * _SLASHES <= len(run)


def _tells(run: str) -> bool:
    """Tell whether base64 stands for something that tells of secrets."""
    body = run.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        content = base64.b64decode(body + "=" * (-len(body) % 4))
    except (binascii.Error, ValueError):
        return False
    return any(word in content for word in _TELLING)
