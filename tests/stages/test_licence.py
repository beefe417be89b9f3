"""The licence of virtual GPUs: what stands in the way is said before anything is made."""

from typing import Any

import msgspec
import pytest

from oc_gpu.config import GpuPlatform
from oc_gpu.config.entitlement import Secret
from oc_gpu.config.licences import Licence
from oc_gpu.stages import context as contexts
from oc_gpu.stages import licence
from oc_gpu.stages.model import State
from tests.stages.builders import meta, node, snapshot
from tests.stages.test_road import _world

LICENCE = Licence(Secret(b"a.b.c"), Secret(b""))
DRIVER = {"repository": "registry.example.com/nvidia", "image": "guest", "version": "550.90.07"}
FILE = {"token": "a.tok"}
NAMED = {"secret": "theirs"}


def context(spec: dict[str, Any], given: Licence | None = None, **tables: Any) -> contexts.Context:
    config = msgspec.convert({"spec": {"gpuOperator": spec}}, GpuPlatform)
    return contexts.build(config, snapshot(**_world(**tables)), licence=given)


@pytest.mark.parametrize(
    ("spec", "given", "cause"),
    [
        ({}, None, None),
        ({"vgpu": FILE}, LICENCE, "vgpu-needs-guest-driver"),
        ({"vgpu": FILE, "driver": DRIVER}, LICENCE, None),
        ({"vgpu": FILE, "clusterPolicy": {"driver": {"enabled": True}}}, LICENCE, None),
        ({"vgpu": NAMED, "driver": DRIVER}, None, "vgpu-unlicensed"),
    ],
)
def test_what_is_missing_for_a_virtual_gpu_is_named(
    spec: dict[str, Any], given: Licence | None, cause: str | None
) -> None:
    found = licence.problem(context(spec, given, licences=[]))
    assert (found.cause if found else None) == cause
    assert found is None or found.state is State.BLOCKED


def test_a_node_that_tells_of_a_virtual_gpu_wants_driver_and_licence() -> None:
    labels = {
        "feature.node.kubernetes.io/pci-10de.present": "true",
        "nvidia.com/vgpu.present": "true",
    }
    nodes = [node("gpu-0", labels=labels)]
    bare = licence.problem(context({}, nodes=nodes))
    assert bare is not None
    assert (bare.cause, bare.objects) == ("vgpu-needs-guest-driver", ("Node/gpu-0",))
    driven = licence.problem(context({"driver": DRIVER}, nodes=nodes))
    assert driven is not None
    assert driven.cause == "vgpu-unlicensed"


def test_a_secret_that_is_there_is_used_and_not_made() -> None:
    theirs = {"metadata": meta("theirs", namespace="nvidia-gpu-operator"), "data": {}}
    here = context({"vgpu": NAMED, "driver": DRIVER}, licences=[theirs])
    assert licence.problem(here) is None
    assert licence.holder(here) == "theirs"
    assert licence.wanted(here) == ()


def test_files_become_a_secret_of_ours_that_the_way_back_removes() -> None:
    here = context({"vgpu": FILE, "driver": DRIVER}, LICENCE, licences=[])
    (made,) = licence.wanted(here)
    assert (made.ref.resource.kind, made.ref.namespace) == ("Secret", "nvidia-gpu-operator")
    there = context({}, licences=[made.manifest])
    assert [d.ref for d in licence.removal(there)] == [made.ref]
    foreign = {"metadata": meta(made.ref.name, namespace="nvidia-gpu-operator")}
    assert licence.removal(context({}, licences=[foreign])) == ()
