"""`oc-gpu doctor`: the root cause, of a live cluster or from a bundle."""

from functools import partial
from pathlib import Path

import click

from oc_gpu.checks.case import Case
from oc_gpu.checks.doctor import CHECKS, diagnose
from oc_gpu.checks.unheard import unheard
from oc_gpu.cli import defaults
from oc_gpu.cli.ending import cleaning_up
from oc_gpu.cli.options import Command, cluster_options, pass_settings
from oc_gpu.cli.running import with_client
from oc_gpu.cli.settings import Settings
from oc_gpu.kube.errors import UsageError
from oc_gpu.report import doctor as report
from oc_gpu.report import junit, output, page
from oc_gpu.report.documents import Diagnosis
from oc_gpu.rollout.examining import examine
from oc_gpu.snapshot.bundle import open_bundle
from oc_gpu.snapshot.model import Snapshot

_HELP = "The root cause of trouble, and the fix; live or from a bundle."


@click.command(
    "doctor",
    cls=Command,
    short_help="The root cause of trouble, and the fix; live or from a bundle.",
)
@click.argument("bundle", required=False, type=click.Path())
@click.option("--junit", "junit_file", metavar="FILE", help="Write the findings as JUnit XML, too.")
@click.option("--html", "html_file", metavar="FILE", help="Write one self-contained page, too.")
@cluster_options
@pass_settings
def command(
    settings: Settings, bundle: str | None, junit_file: str | None, html_file: str | None
) -> int:
    """Say what is wrong with GPUs on a cluster: the cause, the evidence, the fix.

    Without BUNDLE the live cluster is looked at. BUNDLE is a folder or an archive made by
    `oc adm must-gather`, `oc adm inspect` or the GPU Operator's must-gather.sh, or one
    nvidia-bug-report. Nothing is changed. Exit code 1 when something is wrong.
    """
    made = _live(settings) if bundle is None else _offline(Path(bundle))
    if junit_file:
        _write(junit_file, junit.document(made, CHECKS))
    if html_file:
        _write(html_file, page.document(made))
    text = partial(report.text, verbose=settings.verbose)
    output.put(made, text, settings.output, settings.color)
    return 0 if made.clean else 1


def _offline(path: Path) -> Diagnosis:
    with cleaning_up(), open_bundle(path) as bundle:
        made = _diagnosis(bundle.snapshot)
        return report.with_notes(made, bundle.notes)


def _live(settings: Settings) -> Diagnosis:
    limit = settings.timeout or defaults.READING
    return _diagnosis(with_client(settings, examine, limit=limit))


def _diagnosis(snapshot: Snapshot) -> Diagnosis:
    case = Case(snapshot)
    release = ".".join(map(str, case.openshift))
    return report.document(
        snapshot, diagnose(case), unheard(case), openshift=release, installed=case.installed
    )


def _write(path: str, content: str) -> None:
    try:
        Path(path).write_text(content, "utf-8")
    except OSError as error:
        why = (error.strerror or "").lower()
        raise UsageError(f"cannot write {path}: {why}") from error
