"""SPDY frames: what Go wrote is read, and what is written is read again."""

import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab.kubelet.spdy.dictionary import DICTIONARY
from lab.kubelet.spdy.frames import (
    CANCEL,
    Data,
    Decoder,
    Encoder,
    Frame,
    GoAway,
    Headers,
    Ping,
    RstStream,
    Settings,
    SpdyError,
    SynReply,
    SynStream,
    WindowUpdate,
)
from msgspec import Struct

FROM_GO = bytes.fromhex(
    "80030001000000290000000100000000000078f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000"
    "ffff800300010000001700000003000000000000c22e555c92929907000000ffff8003000100000019000000050000"
    "00000000c22ac5565c92925f5a02000000ffff800300060000000400000001000000030100000568656c6c6f800300"
    "0300000008000000030000000580030007000000080000000500000000"
)
"""Written by the framer of moby/spdystream v0.5.1, the peer in kube-apiserver 1.35."""


def test_frames_that_go_wrote_are_read() -> None:
    assert list(Decoder().feed(FROM_GO)) == [
        SynStream(1, {"streamtype": "error"}),
        SynStream(3, {"streamtype": "stdin"}),
        SynStream(5, {"streamtype": "stdout"}),
        Ping(1),
        Data(3, b"hello", fin=True),
        RstStream(3, CANCEL),
        GoAway(5),
    ]


def test_the_dictionary_is_that_of_the_protocol() -> None:
    # A zlib stream names the Adler-32 sum of its dictionary; Go's is in the frames above.
    named = FROM_GO[20:24]
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY).to_bytes(4, "big")) == (1423, named)


_numbers = st.integers(1, 0x7FFFFFFF)
_words = st.integers(0, 0xFFFFFFFF)
_flag = st.booleans()
_texts = st.text(st.characters(codec="utf-8"))
_names = _texts.filter(lambda name: name == name.lower())
_fields = st.dictionaries(_names, _texts, max_size=5)
_setting = st.tuples(st.integers(0, 0xFFFFFF), st.integers(0, 255), _words)
_frames = st.one_of(
    st.builds(
        SynStream, _numbers, _fields, _flag, _flag, st.integers(0, 0x7FFFFFFF), st.integers(0, 7)
    ),
    st.builds(SynReply, _numbers, _fields, _flag),
    st.builds(Headers, _numbers, _fields, _flag),
    st.builds(RstStream, _numbers, _words),
    st.builds(Settings, st.lists(_setting, max_size=4).map(tuple), _flag),
    st.builds(Ping, _words),
    st.builds(GoAway, st.integers(0, 0x7FFFFFFF), _words),
    st.builds(WindowUpdate, st.integers(0, 0x7FFFFFFF), st.integers(0, 0x7FFFFFFF)),
    st.builds(Data, _numbers, st.binary(max_size=300), _flag),
)


@given(st.lists(_frames, max_size=12), st.data())
def test_frames_are_read_as_they_were_written_in_whatever_pieces(
    frames: list[Frame], data: st.DataObject
) -> None:
    encoder, decoder = Encoder(), Decoder()
    raw = b"".join(encoder.encode(frame) for frame in frames)
    read: list[Frame] = []
    while raw:
        size = data.draw(st.integers(1, len(raw)))
        read += decoder.feed(raw[:size])
        raw = raw[size:]
    assert read == frames


@given(st.binary(max_size=200))
def test_bytes_that_are_no_spdy_are_refused_and_nothing_else(raw: bytes) -> None:
    with suppress(SpdyError):
        assert all(isinstance(frame, Struct) for frame in Decoder().feed(raw))


def test_a_kind_of_frame_that_is_not_known_is_left_out() -> None:
    unknown = bytes.fromhex("8003000b00000002abcd")
    assert list(Decoder().feed(unknown + Encoder().encode(Ping(7)))) == [Ping(7)]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("8002000600000004 00000001", "another version"),
        ("8003000600000002 0001", "too short"),
        ("00000000 00000000", "stream 0"),
        ("8003000200000008 00000001 deadbeef", "cannot be decompressed"),
    ],
)
def test_a_broken_frame_is_refused(raw: str, told: str) -> None:
    with pytest.raises(SpdyError, match=told):
        list(Decoder().feed(bytes.fromhex(raw)))


def test_header_fields_cannot_fill_the_memory() -> None:
    packed = zlib.compressobj(zdict=DICTIONARY)
    bomb = packed.compress(bytes(2 << 20)) + packed.flush(zlib.Z_SYNC_FLUSH)
    frame = bytes.fromhex("80030002") + (len(bomb) + 4).to_bytes(4, "big") + b"\0\0\0\1" + bomb
    with pytest.raises(SpdyError, match="more than"):
        list(Decoder().feed(frame))
