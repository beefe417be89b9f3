"""Layer driver: cards of generations that the driver's branch has dropped."""

import re

from oc_gpu.checks.cards import older, oldest_of
from oc_gpu.checks.case import Case, version
from oc_gpu.checks.catalogue import Results
from oc_gpu.checks.causes.driver import FAMILY, failing, generations, on_node
from oc_gpu.checks.components import DCGM, GFD, PLUGIN
from oc_gpu.checks.model import Evidence
from oc_gpu.checks.quotes import any_of, cause, said
from oc_gpu.snapshot.kinds import Node


def _too_old(case: Case, says: str) -> Results:
    for node in failing(case) or case.gpu_nodes:
        release, where = _release(case, node)
        oldest = oldest_of(release)
        for name in generations(case, node.metadata.name) if release and case.unwell else []:
            if older(name, oldest):
                told = ".".join(map(str, release))
                at = f"lspci of Node/{node.metadata.name}"
                evidence = (
                    Evidence(at, f"a GPU of the {name} generation"),
                    Evidence(where, f"version {told}, which begins with {oldest}"),
                )
                return (on_node(case, node, says, evidence, 0.9),)
    return ()


_ON_HOST = re.compile(r"nvidia.*(kmod|driver)|(kmod|driver).*nvidia|kmod-nvidia")
_RELEASE = re.compile(r"(\d{3})\.(\d+)(?:\.(\d+))?")


def _release(case: Case, node: Node) -> tuple[tuple[int, ...], str]:
    """Return the release of the driver that a node gets or has, and what tells it."""
    if case.driver_version:
        return case.driver_version, "image of the driver"
    for name, value in node.metadata.labels.items():
        match = _RELEASE.match(value) if _ON_HOST.search(name) else None
        if match is not None:
            return version(match[0]), f"label {name} of Node/{node.metadata.name}"
    return (), ""


_DROPPED_KEPLER = (1, 22)
"""Kubernetes of the time at which the branch after the last one for Kepler came out (2021)."""


def _old_and_idle(case: Case, says: str) -> Results:
    """Find cards that no branch of these years drives, and that none holds; its release unseen."""
    for one in [] if case.driver_version else case.troubles_of(PLUGIN, GFD, DCGM, fails=True):
        node, name = case.node(one.pod.spec.node_name), one.pod.spec.node_name
        cards, ages = case.cards(name), generations(case, name)
        if node is None or not ages or any(card.driver for card in cards):
            continue
        recent = version(node.status.node_info.kubelet_version)[:2] >= _DROPPED_KEPLER
        if recent and all(older(age, "maxwell") for age in ages):
            evidence = (
                Evidence(f"lspci of Node/{name}", f"a GPU of the {ages[0]} generation"),
                Evidence(f"lspci of Node/{name}", "no kernel driver in use"),
            )
            return (on_node(case, node, says, evidence, 0.62),)
    return ()


TOO_OLD = cause(
    "OCG0823",
    "gpu-too-old-for-driver",
    FAMILY,
    "driver",
    title="the driver branch still drives these GPUs",
    says="the GPU's generation was dropped by the installed driver branch",
    means="Branch 470 is the last for Kepler, 580 the last for Maxwell, Pascal and Volta.",
    remedy=(
        (
            'oc patch clusterpolicy gpu-cluster-policy --type merge -p \'{"spec":{"driver":{'
            '"repository":"nvcr.io/nvidia","image":"driver","version":"VERSION OF AN OLDER '
            "BRANCH\"}}}'"
        ),
    ),
    look=any_of(
        said(
            "xx legacy driver",
            "supported through the nvidia*legacy",
            "will ignore this gpu",
            "nvidia driver will ignore",
            sources=("kernel", "log"),
            always=True,
            at=0.96,
        ),
        _too_old,
        _old_and_idle,
    ),
)

CAUSES = (TOO_OLD,)
