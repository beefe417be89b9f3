"""How a run is shown: the program's own lines are the result, everything else is talk."""

import sys
from collections.abc import Iterator

from oc_gpu.kube.words import counted
from oc_gpu.report import output
from oc_gpu.report.documents import JobRun, cluster
from oc_gpu.report.look import is_terminal
from oc_gpu.report.output import Form
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages.platform import openshift_version
from oc_gpu.workload.model import Ended, Event, Line, Observer

LOCALLY = (
    "this cluster is simulated: started with --run-pods, it runs the program as a process of its "
    "machine, with its Python; image, node and limits are simulated"
)
_SHOWN = 5
"""Last lines that are shown again where the log went elsewhere."""


def observer(form: Form) -> Observer:
    """Return what shows the events of a run: lines on stdout unless a document goes there."""
    lines = sys.stdout if form == "text" else sys.stderr

    def show(event: Event) -> None:
        if isinstance(event, Line):
            lines.write(f"{event.text}\n")
            lines.flush()
        else:
            output.say(event.message)

    return show


def document(ended: Ended, snapshot: Snapshot) -> JobRun:
    """Return the document of a run."""
    return JobRun(
        simulated=snapshot.simulated,
        cluster=cluster(snapshot, openshift_version(snapshot)),
        job=ended.job,
        namespace=ended.namespace,
        state=ended.state,
        pod=ended.pod,
        node=ended.node,
        image=ended.image,
        image_id=ended.image_id,
        resources=dict(ended.limits.resources["limits"]),
        exit_code=ended.exit_code,
        reason=ended.reason,
        started=ended.started,
        finished=ended.finished,
        locally=ended.simulated,
        last_lines=ended.last_lines,
        files=ended.files,
        left_out=ended.left_out,
    )


def talk(found: JobRun, title: str, folder: str) -> Iterator[str]:
    """Yield what is said at the end.

    Args:
        found: How the run ended.
        title: What ran.
        folder: Where its files are now, empty for nowhere.
    """
    if found.state == "detached":
        place = f"-n {found.namespace}"
        yield f"{title} was left to itself; it is removed a day after its end"
        yield f"  follow:   oc logs -f {place} job/{found.job} -c main"
        yield f"  look:     oc get pods {place} -l job-name={found.job}"
        yield f"  clean up: oc delete job {place} {found.job}"
        return
    if folder:
        yield f"{counted(len(found.files), 'file was', 'files were')} brought back to {folder}"
    for one in found.left_out:
        yield f"not brought back: {one}"
    why = f" ({found.reason})" if found.reason not in ("", "Completed", "Error") else ""
    if found.exit_code:
        yield f"{title} ended with exit code {found.exit_code}{why} on {found.node}"
        if not is_terminal(sys.stdout):
            yield from (f"  | {line}" for line in found.last_lines[-_SHOWN:])
