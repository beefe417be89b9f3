"""The way into a running simulation: which faults it has, and another set of them.

No real server has this path; whoever may use the API may use it.
"""

from typing import Protocol

import msgspec

from oc_gpu.sim.api.errors import method_not_allowed
from oc_gpu.sim.api.messages import ApiRequest, ApiResponse, StatusError
from oc_gpu.sim.scenario import ScenarioError

PATH = "/simulation/faults"
_UNUSABLE = 422


class Control(Protocol):
    """What changes the facts of a running simulation."""

    @property
    def faults(self) -> tuple[str, ...]:
        """Return the names of the faults that the cluster has now."""

    async def add_fault(self, name: str) -> None:
        """Change the facts of the running cluster as a fault does."""

    async def remove_fault(self, name: str) -> None:
        """Set the facts right that a fault changed."""


async def answer(control: Control, request: ApiRequest) -> ApiResponse:
    """List the faults, or add (PUT) or remove (DELETE) the one that the path names.

    Raises:
        StatusError: 405, or 422 with the reason why it cannot be.
    """
    name = request.path.removeprefix(PATH).strip("/")
    try:
        if name and request.method == "PUT":
            await control.add_fault(name)
        elif name and request.method == "DELETE":
            await control.remove_fault(name)
        elif name or request.method != "GET":
            raise method_not_allowed()
    except ScenarioError as error:
        text = "; ".join((str(error), *error.hints))
        raise StatusError(_UNUSABLE, "Invalid", text) from error
    return ApiResponse(200, msgspec.json.encode({"faults": control.faults}))
