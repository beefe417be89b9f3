"""The record in the cluster, whole and broken."""

from typing import Any

import pytest

from oc_gpu.kube.errors import ConfigError
from oc_gpu.stages import record
from tests.stages.builders import snapshot


def read(**content: Any) -> record.Record | None:
    metadata = {"name": record.NAME, "namespace": record.NAMESPACE}
    return record.from_snapshot(snapshot(configmaps=({"metadata": metadata, **content},)))


def test_record_is_read_as_it_was_written() -> None:
    taken = record.Record(crds=("clusterpolicies.nvidia.com",), taint="nodetype=gpu:NoSchedule")
    assert read(data=record.action(taken).manifest["data"]) == taken


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"data": None},
        {"data": {}},
        {"data": {"record.json": "{"}},
        {"data": {"record.json": '{"crds": 1}'}},
    ],
)
def test_broken_record_is_named_with_what_to_do(content: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="ConfigMap/oc-gpu-record in oc-gpu") as caught:
        read(**content)
    assert "oc delete configmap oc-gpu-record -n oc-gpu" in "".join(caught.value.hints)
