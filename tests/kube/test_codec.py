"""Answers as Go servers write them."""

import msgspec
import pytest
from msgspec import Struct, field

from oc_gpu.kube.codec import decoder, read


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
