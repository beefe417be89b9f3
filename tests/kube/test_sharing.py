"""Objects of one list share what is equal in them, and nothing else changes."""

from typing import Any

import msgspec

from oc_gpu.kube.sharing import Sharing
from oc_gpu.snapshot.kinds import Pod


def pod(name: str, image: str = "driver") -> Pod:
    raw: dict[str, Any] = {
        "metadata": {"name": name, "labels": {"app": "driver", "name": name}},
        "spec": {"nodeName": name, "containers": [{"name": "main", "image": image}]},
    }
    return msgspec.convert(raw, Pod)


def test_equal_parts_are_kept_once_and_others_as_they_are() -> None:
    pods = [pod("a"), pod("b"), pod("c", "toolkit")]
    sharing = Sharing()
    for one in pods:
        sharing.of(one)
    assert pods == [pod("a"), pod("b"), pod("c", "toolkit")]
    assert pods[0].spec.containers is pods[1].spec.containers
    assert pods[0].spec.containers is not pods[2].spec.containers


def test_texts_of_maps_that_differ_are_kept_once() -> None:
    one, other = (
        msgspec.json.decode(msgspec.json.encode(pod(name)), type=Pod) for name in ("a", "b")
    )
    sharing = Sharing()
    sharing.of(one)
    sharing.of(other)
    values = [item.metadata.labels["app"] for item in (one, other)]
    assert values[0] is values[1]


def test_what_never_repeats_itself_is_not_looked_up_for_ever() -> None:
    sharing = Sharing()
    for number in range(1000):
        sharing.of(pod(f"pod-{number}"))
    last, again = pod("same"), pod("same")
    sharing.of(last)
    sharing.of(again)
    assert last.metadata.labels is not again.metadata.labels
    assert last.spec.containers is again.spec.containers


def test_raw_objects_stay_as_they_are() -> None:
    raw = {"metadata": {"labels": {"a": "b"}}}
    Sharing().of(raw)
    assert raw == {"metadata": {"labels": {"a": "b"}}}
