"""What the parts of a running lab share."""

from msgspec import Struct

from lab.control_plane import ControlPlane
from lab.network import Network
from lab.processes import Processes
from oc_gpu.kube import Client
from oc_gpu.sim.scenario import Scenario


class Site(Struct, frozen=True):
    """A lab that is being put up.

    Attributes:
        scenario: The facts of its cluster.
        plane: Its control plane.
        network: Addresses of the cluster, and where they lead.
        processes: What its programs run in.
        client: A client of the lab itself, which may do everything.
    """

    scenario: Scenario
    plane: ControlPlane
    network: Network
    processes: Processes
    client: Client
