"""Answers as Go servers write them."""

import json
from typing import Any

import msgspec
import pytest
from msgspec import Struct, field

from oc_gpu.kube import OcGpuError, RawObject
from oc_gpu.kube.codec import decode, decode_list, decoder, read
from oc_gpu.kube.errors import Asked


class Inner(Struct):
    names: list[str] = field(default_factory=list)
    size: int = 1


class Outer(Struct):
    inner: Inner = field(default_factory=Inner)
    rest: list[Inner] = field(default_factory=list)


def test_null_is_a_field_that_is_not_there() -> None:
    body = b'{"inner": {"names": null, "size": null}, "rest": [{"names": null}, {"size": 2}]}'
    assert read(decoder(Outer), body) == Outer(Inner(), [Inner(), Inner(size=2)])


@pytest.mark.parametrize("body", [b"not json", b'{"inner": {"size": "big"}}', b'{"rest": [7]}'])
def test_what_does_not_fit_is_still_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read(decoder(Outer), body)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"metadata": {"name": "\xff"}}', b"{"])
def test_a_body_that_no_server_sends_is_one_sentence(body: bytes) -> None:
    with pytest.raises(OcGpuError, match="not what the Kubernetes API promises"):
        decode(body, RawObject, Asked("get", name="/x"))


@pytest.mark.parametrize("item", [{}, {"metadata": 7}, {"metadata": {"name": "a"}, "spec": "x"}])
def test_an_object_without_the_parts_of_one_is_refused(item: Any) -> None:
    body = json.dumps({"items": [item], "metadata": {}}).encode()
    with pytest.raises(OcGpuError, match="not what the Kubernetes API promises"):
        decode_list(body, RawObject, Asked("list"))
