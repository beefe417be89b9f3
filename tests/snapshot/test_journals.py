"""Kernel messages of nodes: who is asked, and what stays unknown."""

import asyncio
from typing import cast

from oc_gpu.kube import Client, OcGpuError
from oc_gpu.snapshot.journals import with_journals
from oc_gpu.snapshot.kinds import Condition, Meta, Node, NodeStatus
from oc_gpu.snapshot.model import Snapshot


class Kubelets:
    """Answers for the nodes of one cluster; `down` do not."""

    def __init__(self, *down: str) -> None:
        self.down = down
        self.asked: list[str] = []

    async def journal(self, node: str, pattern: str) -> str:
        self.asked.append(node)
        if node in self.down:
            raise OcGpuError("no answer")
        return f"{pattern} of {node}"


def node(name: str, ready: str) -> Node:
    conditions = [Condition(type="Ready", status=ready)]
    return Node(metadata=Meta(name=name), status=NodeStatus(conditions=conditions))


def test_a_node_that_is_silent_is_not_asked() -> None:
    nodes = (node("well", "True"), node("starts", "False"), node("gone", "Unknown"))
    kubelets = Kubelets("starts")
    snapshot = Snapshot("", tables={"nodes": nodes})
    names = [one.metadata.name for one in nodes]
    told = asyncio.run(with_journals(cast("Client", kubelets), snapshot, names, "NVRM"))
    assert kubelets.asked == ["well", "starts"]
    assert told.journals == {"well": "NVRM of well"}
