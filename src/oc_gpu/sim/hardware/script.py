"""Scripts of a shell, as far as they are played: lists, `&&`, `||`, loops over words, variables.

Whatever else a script holds (pipes, substitutions, conditions) ends in `Unknown`, before anything
of it is shown: half a script's output would be a lie.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from oc_gpu.sim.hardware.smi import Answer

Call = Callable[[list[str]], tuple[Answer, float]]
"""Plays one command: what it printed, and how long it took; infinite when it never ends."""

_STEPS = 10_000
"""Commands of one script: loops in loops can be many."""
_TOKEN = re.compile(
    r"""(?P<space>[ \t]+|\\\n|(?<!\S)\#[^\n]*)
    |(?P<redirect>(?<![\w"'])(?:[12]?>\s*/dev/null|2>&1|1?>&2)(?![^\s;&|]))
    |(?P<operator>&&|\|\||;|\n)
    |(?P<word>(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s;&|<>()`'"\\])+)""",
    re.VERBOSE,
)
_PIECE = re.compile(
    r"""'(?P<raw>[^']*)'|"(?P<double>(?:\\.|[^"\\])*)"|\\(?P<escaped>.)|(?P<bare>[^'"\\]+)""",
    re.DOTALL,
)
_VARIABLE = re.compile(r"\$(?:(\w+|\?)|\{(\w+)\})")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_]\w*")
_COMPOUND = {"if", "while", "until", "case", "function", "{", "!", "[[", "do", "done", "select"}


class Unknown(Exception):  # noqa: N818  # not an error: the caller says what then happens
    """A command, or a part of a script, that is not played; the text names it."""


class _Command(Struct, frozen=True):
    """A simple command; `joiner` stands before it."""

    joiner: str
    words: tuple[str, ...]
    redirects: tuple[str, ...] = ()


class _Loop(Struct, frozen=True):
    joiner: str
    variable: str
    words: tuple[str, ...]
    body: tuple["_Command | _Loop", ...]


class _End(Exception):  # noqa: N818  # leaves loops, as `exit` does
    """The script is over."""


class Played:
    """A script while and after it runs.

    Attributes:
        out: What it printed.
        err: What it printed to the other stream.
        code: Exit code of the last command.
        seconds: How long it took; infinite when it never ends.
    """

    def __init__(self, variables: dict[str, str], call: Call, *, strict: bool) -> None:
        self.out: list[str] = []
        self.err: list[str] = []
        self.code = 0
        self.seconds = 0.0
        self._variables = variables
        self._call = call
        self._strict = strict
        self._left = _STEPS

    def do(self, steps: Sequence[_Command | _Loop]) -> None:
        """Run steps until the script says to end."""
        try:
            self._list(steps)
        except _End:
            return

    def _list(self, steps: Sequence[_Command | _Loop]) -> None:
        for number, step in enumerate(steps):
            if (step.joiner == "&&" and self.code) or (step.joiner == "||" and not self.code):
                continue
            if isinstance(step, _Loop):
                self._loop(step)
            else:
                self._command(step)
            tested = number + 1 < len(steps) and steps[number + 1].joiner in {"&&", "||"}
            if self.code and self._strict and not tested:
                raise _End

    def _loop(self, loop: _Loop) -> None:
        for value in [value for word in loop.words for value in self._expanded(word)]:
            self._variables[loop.variable] = value
            self._list(loop.body)

    def _command(self, command: _Command) -> None:
        self._left -= 1
        if self._left < 0:
            msg = "a script without end"
            raise Unknown(msg)
        assigned = _ASSIGNMENT.fullmatch(command.words[0]) if command.words else None
        if assigned is not None and len(command.words) == 1:
            self._variables[assigned[1]] = " ".join(self._expanded(assigned[2]))
            self.code = 0
            return
        words = [value for word in command.words for value in self._expanded(word)]
        if not words:
            return
        if words[0] == "exit":
            self.code = self._status(words[1:])
            raise _End
        if words[0] == "set":
            self._strict |= any(w.startswith("-") and "e" in w for w in words[1:])
            self.code = 0
            return
        answer, seconds = self._call(words)
        self.code = answer.code
        self._print(answer, command.redirects)
        self.seconds += seconds
        if seconds == float("inf"):
            raise _End

    def _status(self, words: list[str]) -> int:
        if not words:
            return self.code
        if not words[0].isdecimal():
            raise Unknown(" ".join(["exit", *words]))
        return int(words[0]) & 0xFF

    def _print(self, answer: Answer, redirects: Sequence[str]) -> None:
        streams: dict[str, list[str] | None] = {"1": self.out, "2": self.err}
        for redirect in redirects:
            stream = redirect[0] if redirect[0] in "12" else "1"
            target = redirect.partition(">")[2].strip()
            streams[stream] = streams[target[1]] if target.startswith("&") else None
        for stream, text in (("1", answer.out), ("2", answer.err)):
            into = streams[stream]
            if text and into is not None:
                into.append(text)

    def _expanded(self, word: str) -> list[str]:
        """Return what becomes of a word: an unquoted variable may be several, or none."""
        if not any(quote in word for quote in "'\"\\"):
            if "$" not in word:
                return [word]
            return self._filled(word).split()
        text = ""
        for piece in _PIECE.finditer(word):
            if piece["raw"] is not None:
                text += piece["raw"]
            elif piece["double"] is not None:
                text += re.sub(r'\\([$`"\\])', r"\1", self._filled(piece["double"]))
            elif piece["escaped"] is not None:
                text += piece["escaped"]
            else:
                text += self._filled(piece["bare"])
        return [text]

    def _filled(self, text: str) -> str:
        if "`" in text or "\\$" in text or re.search(r"\$(?!\w|\?|\{\w+\})\S", text):
            raise Unknown(text)
        known = {**self._variables, "?": str(self.code)}
        return _VARIABLE.sub(lambda found: known.get(found[1] or found[2], ""), text)


def play(text: str, environment: Mapping[str, str], call: Call, *, strict: bool = False) -> Played:
    """Run a script to its end.

    Args:
        text: The script.
        environment: Variables that it begins with.
        call: Plays one command.
        strict: End with the first command that fails, as `sh -e` does.

    Raises:
        Unknown: A part of it is not played.
    """
    steps = _parse(list(_tokens(text)))
    run = Played(dict(environment), call, strict=strict)
    run.do(steps)
    return run


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise Unknown(text[position:].split("\n", maxsplit=1)[0])
        position = found.end()
        if found.lastgroup != "space":
            yield str(found.lastgroup), found[0]


def _parse(tokens: list[tuple[str, str]]) -> tuple[_Command | _Loop, ...]:
    steps = tuple(_steps(tokens, nested=False))
    if tokens:
        raise Unknown(tokens[0][1])
    return steps


def _steps(tokens: list[tuple[str, str]], *, nested: bool) -> Iterator[_Command | _Loop]:
    joiner = ""
    while tokens:
        kind, text = tokens[0]
        if kind == "operator":
            joiner = ";" if text == "\n" else text
            tokens.pop(0)
        elif nested and text == "done":
            return
        elif text == "for":
            yield _for(tokens, joiner)
        elif text in _COMPOUND:
            raise Unknown(text)
        else:
            yield _simple(tokens, joiner)


def _simple(tokens: list[tuple[str, str]], joiner: str) -> _Command:
    words: list[str] = []
    redirects: list[str] = []
    while tokens and tokens[0][0] != "operator":
        kind, text = tokens.pop(0)
        (redirects if kind == "redirect" else words).append(text)
    return _Command(joiner, tuple(words), tuple(redirects))


def _for(tokens: list[tuple[str, str]], joiner: str) -> _Loop:
    """Take `for NAME in WORDS; do LIST; done`."""
    head = _simple(tokens, joiner).words
    while tokens and tokens[0][0] == "operator":
        tokens.pop(0)
    if len(head) < 3 or head[2] != "in" or not _NAME.fullmatch(head[1]):  # noqa: PLR2004
        raise Unknown(" ".join(head))
    if not tokens or tokens.pop(0)[1] != "do":
        raise Unknown(" ".join(head))
    body = tuple(_steps(tokens, nested=True))
    if not tokens or tokens.pop(0)[1] != "done":
        raise Unknown(" ".join(head))
    return _Loop(joiner, head[1], head[3:], body)
