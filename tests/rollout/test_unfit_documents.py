"""What a document asks for and a cluster cannot give is told with the place in the document."""

from oc_gpu.config import GpuPlatform
from oc_gpu.config.document import GpuOperatorSpec, Spec
from oc_gpu.kube import Client
from oc_gpu.rollout import commands
from oc_gpu.rollout.survey import Wish
from oc_gpu.stages.model import Assessment, State
from tests.rollout.clusters import QUIET, Wire, on_cluster


def _enabled(operator: GpuOperatorSpec) -> Assessment:
    """Return what became of the GPU Operator's stage."""

    async def act(client: Client, _: Wire) -> Assessment:
        wish = Wish(GpuPlatform(spec=Spec(gpu_operator=operator)))
        ended = await commands.enable(client, wish, QUIET, timeout=30)
        return next(a for a in ended.assessments if a.stage == "gpu-operator")

    return on_cluster(act)


def test_a_field_that_no_clusterpolicy_has_is_told_with_its_place_in_the_document() -> None:
    found = _enabled(GpuOperatorSpec(cluster_policy={"foo": {"bar": 1}}))
    assert found.state is State.FAILED
    assert "foo" in found.detail
    assert "spec.gpuOperator.clusterPolicy of the GpuPlatform document" in found.hints[0]


def test_a_version_that_no_catalog_offers_is_named_with_what_is_offered() -> None:
    found = _enabled(GpuOperatorSpec(version="99.1.1"))
    assert found.state is State.BLOCKED
    assert "version 99.1.1, which was asked for" in found.detail
    assert found.hints[0].startswith("offered are ")
    assert "25.10" in found.hints[0]
