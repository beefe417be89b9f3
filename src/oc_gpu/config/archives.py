"""PEM files out of what the portal gives: a PEM, or a ZIP with a ZIP in it.

The portal's download holds `consumer_export.zip`, which holds
`export/entitlement_certificates/<serial>.pem` beside certificates of other kinds. Everything is
read in memory, and never more of it than the limits say, whatever the archive claims.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from oc_gpu.config.downloads import WHERE_FROM, Download, EntitlementError, PemFile

MAX_FILE = 20 * 1024 * 1024
"""Bytes of the file given; the portal's are far below 1 MiB."""
MAX_MEMBER = 20 * 1024 * 1024
"""Bytes of one unpacked member."""
MAX_TOTAL = 64 * 1024 * 1024
"""Bytes of all unpacked members."""
MAX_MEMBERS = 5000
"""Members of one archive; exports of large organisations hold some hundreds."""
MAX_RATIO = 200
"""Unpacked over packed size; certificates and keys hardly shrink at all."""
MAX_DEPTH = 3
"""Archives within archives; the portal's has two levels."""

_TOO_MUCH = f"more than {MAX_TOTAL >> 20} MiB unpacked"
_TOO_DEEP = f"more than {MAX_DEPTH} archives in each other"
_TOO_MANY = f"more than {MAX_MEMBERS} members"
_TOO_LARGE = f"a member larger than {MAX_MEMBER >> 20} MiB"
_TOO_DENSE = f"a member that shrank more than {MAX_RATIO} times"
_RATIO_FROM = 1024 * 1024
_FOLDER = "entitlement_certificates/"
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_ENCRYPTED = 0x1
_DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What Python's zipfile raises on archives that lie about themselves."""


def open_download(path: Path) -> Download:
    """Return the PEM files of a download.

    Raises:
        EntitlementError: It cannot be read, is none of the known kinds, or is a ZIP bomb.
    """
    raw = _read(path)
    if not raw.startswith(_ZIP_MAGIC):
        return Download("PEM", (PemFile(path.name, raw),))
    try:
        found = tuple(_unpack(raw, path.name, _Budget(), 1))
    except _BombError as error:
        message = f"{path.name} is refused: it has {error}, which no entitlement download has"
        raise EntitlementError(message, hints=(WHERE_FROM,)) from error
    preferred = tuple(item for item in found if _FOLDER in item.name)
    if not found:
        message = f"{path.name} holds no PEM file: it is not the portal's entitlement download"
        raise EntitlementError(message, hints=(WHERE_FROM,))
    return Download("ZIP", preferred or found)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        message = f"cannot read {path}: {why.lower()}"
        hint = "give the path of the portal's ZIP or of the PEM file in it"
        raise EntitlementError(message, hints=(hint,)) from error
    if len(raw) > MAX_FILE:
        message = f"{path} is larger than {MAX_FILE >> 20} MiB: it is no entitlement download"
        raise EntitlementError(message, hints=(WHERE_FROM,))
    return raw


class _Budget:
    """How much may still be unpacked."""

    def __init__(self) -> None:
        self.left = MAX_TOTAL

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise _BombError(_TOO_MUCH)


class _BombError(Exception):
    """The archive is larger than any download; its text says in which way."""


def _unpack(raw: bytes, name: str, budget: _Budget, depth: int) -> Iterator[PemFile]:
    if depth > MAX_DEPTH:
        raise _BombError(_TOO_DEEP)
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise _BombError(_TOO_MANY)
            for member in members:
                yield from _member(archive, member, budget, depth)
    except _DAMAGES as error:
        message = f"{name} is a damaged ZIP"
        raise EntitlementError(message, hints=(WHERE_FROM,)) from error


def _member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: _Budget, depth: int
) -> Iterator[PemFile]:
    wanted = member.filename.lower()
    if member.is_dir() or not wanted.endswith((".pem", ".zip")):
        return
    if member.flag_bits & _ENCRYPTED:
        message = f"{member.filename} in the ZIP is locked with a password"
        raise EntitlementError(message, hints=("unpack it first and give the PEM file",))
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        message = f"{member.filename} in the ZIP is packed in an unusual way"
        raise EntitlementError(message, hints=("unpack it first and give the PEM file",))
    content = _content(archive, member)
    budget.take(len(content))
    if wanted.endswith(".zip"):
        yield from _unpack(content, member.filename, budget, depth + 1)
    else:
        yield PemFile(member.filename, content)


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Read a member, and stop as soon as it is too large, whatever its header claims."""
    with archive.open(member) as stream:
        content = stream.read(MAX_MEMBER + 1)
    if len(content) > MAX_MEMBER:
        raise _BombError(_TOO_LARGE)
    if len(content) > _RATIO_FROM and len(content) > MAX_RATIO * max(member.compress_size, 1):
        raise _BombError(_TOO_DENSE)
    return content
