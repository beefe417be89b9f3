"""The process of a lab cluster: runs until it is told to end.

Started by `oc_gpu.sim.instances`, as the simulator's is.
"""

import argparse
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lab.cluster import cluster
from oc_gpu.sim.daemon import main
from oc_gpu.sim.instances import Instance
from oc_gpu.sim.scenario import load


@asynccontextmanager
async def _lab(options: argparse.Namespace) -> AsyncIterator[Instance]:
    scenario = load(options.scenario)
    async with cluster(scenario, options.folder) as site:
        kubeconfig = str(site.plane.kubeconfig())
        yield Instance(
            options.folder.name, options.scenario, kubeconfig, os.getpid(), site.plane.url
        )


if __name__ == "__main__":
    sys.exit(main(opened=_lab))
