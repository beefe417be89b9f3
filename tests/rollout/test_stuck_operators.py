"""An operator whose own pod does not run: told with the pod, the image and what to do."""

import msgspec

from oc_gpu.kube import Client
from oc_gpu.rollout import commands
from oc_gpu.sim.scenario import ImageFacts, Scenario, load
from oc_gpu.stages.model import State
from tests.rollout.clusters import QUIET, Wire, on_cluster, wish

IMAGE = "nvcr.io/nvidia/gpu-operator:v25.10.1"


def without_image() -> Scenario:
    facts = load("ocp-4.20")
    missing = ImageFacts(reference=IMAGE, missing=True)
    return msgspec.structs.replace(facts, images=(*facts.images, missing))


def test_an_operator_pod_without_its_image_stops_the_stage_and_is_named() -> None:
    async def act(client: Client, _: Wire) -> None:
        outcome = await commands.enable(client, wish(), QUIET, timeout=20)
        stage = next(a for a in outcome.assessments if a.stage == "gpu-operator")
        assert stage.state is State.FAILED
        assert IMAGE in stage.detail
        assert "gpu-operator-certified.v25.10.1" in stage.detail
        assert "Back-off pulling image" in stage.detail
        assert stage.objects[0].startswith("Pod/gpu-operator-")
        assert any("oc describe pod -n nvidia-gpu-operator" in hint for hint in stage.hints)
        assert {a.stage: a.state for a in outcome.assessments}["nfd"] is State.DONE

    on_cluster(act, without_image())
