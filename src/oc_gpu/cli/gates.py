"""What stands between looking and writing: the checks, the plan, the question."""

import sys

from oc_gpu.checks import preflight
from oc_gpu.cli.settings import Settings
from oc_gpu.cli.talking import Progress, confirm
from oc_gpu.kube import Client
from oc_gpu.kube.errors import OcGpuError
from oc_gpu.report import documents, findings, output, plan, walk
from oc_gpu.report.look import Look
from oc_gpu.rollout.commands import Gate
from oc_gpu.rollout.preview import preview
from oc_gpu.rollout.survey import Survey


class Gates:
    """Shows what was found and planned, on stderr, and asks.

    Attributes:
        progress: What shows the events of the walk.
        found: The cluster as it was seen last before the walk.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.progress = Progress(settings)
        self.found: Survey | None = None

    async def check(self, found: Survey) -> None:
        """Refuse a cluster that cannot get GPUs; programs are told the first reason as a document.

        Raises:
            OcGpuError: A check found an error; all of them are shown.
        """
        self.found = found
        errors = preflight.obstacles(found.context)
        if not errors:
            return
        look = Look.of(sys.stderr, self._settings.color)
        for finding in findings.grouped(errors, verbose=self._settings.verbose):
            for line in findings.one(finding, look):
                sys.stderr.write(f"{line}\n")
        if self._settings.output != "text":
            document = walk.refused(self.cluster(), errors[0], simulated=found.snapshot.simulated)
            output.put(document, walk.text, self._settings.output)
        message = "this cluster cannot get GPUs as it is, so nothing was written"
        raise OcGpuError(message, hints=("`oc-gpu check` shows everything that was looked at",))

    def agree(self, client: Client, question: str) -> Gate:
        """Return the gate that shows the plan and asks.

        Args:
            client: Is asked what each write would do.
            question: What the user answers.
        """

        async def gate(found: Survey) -> None:
            self.found = found
            if self._settings.yes:
                return
            document = plan.document(found, await preview(client, found.actions))
            look = Look.of(sys.stderr, self._settings.color)
            for line in plan.text(document, look, verbose=self._settings.verbose):
                sys.stderr.write(f"{line}\n")
            if not confirm(self._settings, question):
                message = "you did not agree, so nothing was written"
                raise OcGpuError(message, hints=("--yes agrees beforehand",))

        return gate

    def cluster(self) -> documents.Cluster:
        """Return which cluster this was."""
        if self.found is None:
            return documents.Cluster(server="")
        version = self.found.context.platform.version
        return documents.cluster(self.found.snapshot, version)
