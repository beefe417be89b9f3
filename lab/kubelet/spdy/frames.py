"""SPDY/3.1 frames as values, and their bytes (SPDY draft 3.1, section 2.2 to 2.6)."""

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from lab.kubelet.spdy.dictionary import DICTIONARY

PROTOCOL_ERROR: Final = 1
CANCEL: Final = 5
MAX_PAYLOAD: Final = (1 << 24) - 1
"""Bytes that the 24 bits of a frame's length can count."""
_MAX_HEADERS: Final = 1 << 20
_CONTROL: Final = 1 << 31
_VERSION: Final = 3
_FIN: Final = 0x01
_UNIDIRECTIONAL: Final = 0x02
_NUMBER: Final = 0x7FFFFFFF
_PREFIX: Final = 8


class SpdyError(Exception):
    """The other side does not keep to the protocol."""


Fields = Mapping[str, str]
"""Header fields by lower-case name; several values of one name are joined by a NUL."""


class SynStream(Struct, frozen=True):
    """A stream begins."""

    stream: int
    fields: Fields
    fin: bool = False
    unidirectional: bool = False
    parent: int = 0
    priority: int = 0


class SynReply(Struct, frozen=True):
    """A stream is accepted."""

    stream: int
    fields: Fields
    fin: bool = False


class RstStream(Struct, frozen=True):
    """A stream ends at once; `status` says why."""

    stream: int
    status: int


class Settings(Struct, frozen=True):
    """Settings as (id, flags, value)."""

    values: tuple[tuple[int, int, int], ...]
    clear: bool = False


class Ping(Struct, frozen=True):
    """Asks for the same frame back; clients number theirs oddly."""

    number: int


class GoAway(Struct, frozen=True):
    """No stream after this one will be looked at."""

    last: int
    status: int = 0


class Headers(Struct, frozen=True):
    """More header fields of a stream."""

    stream: int
    fields: Fields
    fin: bool = False


class WindowUpdate(Struct, frozen=True):
    """So many more bytes may be sent."""

    stream: int
    delta: int


class Data(Struct, frozen=True):
    """Bytes of a stream; with `fin` its last ones."""

    stream: int
    data: bytes
    fin: bool = False


Frame = SynStream | SynReply | RstStream | Settings | Ping | GoAway | Headers | WindowUpdate | Data

_KINDS: Final = {
    SynStream: 1,
    SynReply: 2,
    RstStream: 3,
    Settings: 4,
    Ping: 6,
    GoAway: 7,
    Headers: 8,
    WindowUpdate: 9,
}
_PAIRS: Final = {_KINDS[made]: made for made in (RstStream, GoAway, WindowUpdate)}


class Encoder:
    """Turns frames into bytes; header compression remembers what it has sent."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(zdict=DICTIONARY)

    def encode(self, frame: Frame) -> bytes:
        """Return the bytes of a frame, to be sent in the order of the calls."""
        if isinstance(frame, Data):
            return _head(frame.stream, int(frame.fin), frame.data)
        first = _CONTROL | _VERSION << 16 | _KINDS[type(frame)]
        return _head(first, _flags(frame), self._payload(frame))

    def _payload(self, frame: Frame) -> bytes:
        if isinstance(frame, SynStream):
            begin = struct.pack("!IIBB", frame.stream, frame.parent, frame.priority << 5, 0)
            return begin + self._fields(frame.fields)
        if isinstance(frame, SynReply | Headers):
            return struct.pack("!I", frame.stream) + self._fields(frame.fields)
        return _words(frame)

    def _fields(self, fields: Fields) -> bytes:
        block = struct.pack("!I", len(fields))
        for pair in fields.items():
            for text in pair:
                raw = text.encode()
                block += struct.pack("!I", len(raw)) + raw
        return self._zlib.compress(block) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


class Decoder:
    """Turns bytes into frames, whatever pieces they come in."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zdict=DICTIONARY)
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are complete now; kinds that SPDY/3.1 does not know are left out.

        Raises:
            SpdyError: The bytes are no SPDY/3.1.
        """
        self._buffer += data
        while (piece := self._piece()) is not None:
            first, flags, payload = piece
            if not first & _CONTROL:
                yield Data(_stream(first), payload, bool(flags & _FIN))
                continue
            if first >> 16 & 0x7FFF != _VERSION:
                raise SpdyError("a frame of another version than SPDY/3")
            frame = self._control(first & 0xFFFF, flags, payload)
            if frame is not None:
                yield frame

    def _piece(self) -> tuple[int, int, bytes] | None:
        if len(self._buffer) < _PREFIX:
            return None
        first, rest = struct.unpack_from("!II", self._buffer)
        end = _PREFIX + (rest & MAX_PAYLOAD)
        if len(self._buffer) < end:
            return None
        payload = bytes(memoryview(self._buffer)[_PREFIX:end])
        del self._buffer[:end]
        return first, rest >> 24, payload

    def _control(self, kind: int, flags: int, payload: bytes) -> Frame | None:
        try:
            return self._known(kind, flags, payload)
        except struct.error as error:
            raise SpdyError("a frame is too short for its kind") from error

    def _known(self, kind: int, flags: int, payload: bytes) -> Frame | None:
        fin = bool(flags & _FIN)
        if kind == _KINDS[SynStream]:
            number, parent, priority, _ = struct.unpack_from("!IIBB", payload)
            fields, one_way = self._fields(payload[10:]), bool(flags & _UNIDIRECTIONAL)
            return SynStream(_stream(number), fields, fin, one_way, parent & _NUMBER, priority >> 5)
        if kind in {_KINDS[SynReply], _KINDS[Headers]}:
            (number,) = struct.unpack_from("!I", payload)
            made = SynReply if kind == _KINDS[SynReply] else Headers
            return made(_stream(number), self._fields(payload[4:]), fin)
        if kind == _KINDS[Settings]:
            return Settings(tuple(_settings(payload)), clear=fin)
        return _plain(kind, payload)

    def _fields(self, payload: bytes) -> Fields:
        try:
            block = self._zlib.decompress(payload, _MAX_HEADERS)
        except zlib.error as error:
            raise SpdyError(f"header fields cannot be decompressed: {error}") from error
        if self._zlib.unconsumed_tail:
            raise SpdyError(f"header fields of more than {_MAX_HEADERS} bytes")
        texts = _Texts(block)
        fields: dict[str, str] = {}
        for _ in range(texts.count()):
            name = texts.text()
            if name in fields or name != name.lower():
                raise SpdyError(f"header field {name!r} is given twice or not in lower case")
            fields[name] = texts.text()
        return fields


class _Texts:
    """Reads counted texts out of a block."""

    def __init__(self, block: bytes) -> None:
        self._block = block
        self._at = 0

    def count(self) -> int:
        """Return the next 32 bits as a number."""
        (number,) = struct.unpack_from("!I", self._block, self._at)
        self._at += 4
        return int(number)

    def text(self) -> str:
        """Return the next text."""
        length = self.count()
        raw = self._block[self._at : self._at + length]
        if len(raw) != length:
            raise SpdyError("header fields end too early")
        self._at += length
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return raw.decode("latin-1")


def _head(first: int, flags: int, payload: bytes) -> bytes:
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a SPDY frame holds at most {MAX_PAYLOAD} bytes, not {len(payload)}")
    return struct.pack("!II", first, flags << 24 | len(payload)) + payload


def _words(frame: Frame) -> bytes:
    """Return the payload of a frame that has no header fields."""
    match frame:
        case RstStream():
            return struct.pack("!II", frame.stream, frame.status)
        case Settings():
            rows = [struct.pack("!II", flags << 24 | i, v) for i, flags, v in frame.values]
            return struct.pack("!I", len(rows)) + b"".join(rows)
        case Ping():
            return struct.pack("!I", frame.number)
        case GoAway():
            return struct.pack("!II", frame.last, frame.status)
        case WindowUpdate():
            return struct.pack("!II", frame.stream, frame.delta)
    raise TypeError(f"{type(frame).__name__} has no payload of this kind")


def _plain(kind: int, payload: bytes) -> Frame | None:
    """Return a frame of one or two numbers; None when its kind is not known."""
    if kind == _KINDS[Ping]:
        return Ping(*struct.unpack("!I", payload))
    made = _PAIRS.get(kind)
    if made is None:
        return None
    first, second = struct.unpack("!II", payload)
    if made is WindowUpdate:
        return WindowUpdate(first & _NUMBER, second & _NUMBER)
    return (
        RstStream(_stream(first), second) if made is RstStream else GoAway(first & _NUMBER, second)
    )


def _flags(frame: Frame) -> int:
    match frame:
        case SynStream():
            return _FIN * frame.fin | _UNIDIRECTIONAL * frame.unidirectional
        case SynReply() | Headers():
            return int(frame.fin)
        case Settings():
            return int(frame.clear)
    return 0


def _stream(number: int) -> int:
    number &= _NUMBER
    if not number:
        raise SpdyError("a frame of stream 0")
    return number


def _settings(payload: bytes) -> Iterator[tuple[int, int, int]]:
    (count,) = struct.unpack_from("!I", payload)
    for row in range(count):
        first, value = struct.unpack_from("!II", payload, 4 + 8 * row)
        yield first & 0xFFFFFF, first >> 24, value
