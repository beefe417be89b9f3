"""Completion for `oc gpu` and `kubectl gpu`.

Both front programs look for a program named `oc_complete-gpu` or `kubectl_complete-gpu`, give it
the words after `gpu`, and expect `value<TAB>description` lines and a last line `:DIRECTIVE`
(the directives of cobra's shell completion: 0 lets the shell offer files, 4 keeps it from that).
"""

import sys
from collections.abc import Iterator, Sequence

from click.shell_completion import CompletionItem, ShellComplete

from oc_gpu.cli.program import PROGRAM

FILES = 0
NO_FILES = 4


def main() -> None:
    """Answer the completion request that the process was started with."""
    sys.stdout.write("".join(f"{line}\n" for line in answer(sys.argv[1:])))


def answer(words: Sequence[str]) -> Iterator[str]:
    """Yield the lines for a command line whose last word is being written."""
    *complete, incomplete = words or ("",)
    shell = ShellComplete(PROGRAM, {}, "oc-gpu", "_OC_GPU_COMPLETE")
    items = shell.get_completions(complete, incomplete)
    directive = NO_FILES
    for item in items:
        if item.type == "plain":
            yield _line(item)
        else:
            directive = FILES
    yield f":{directive}"


def _line(item: CompletionItem) -> str:
    return f"{item.value}\t{item.help}" if item.help else str(item.value)
