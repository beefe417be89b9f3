"""Folders as archives: what is sent is what is unpacked, and an archive is not trusted."""

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from oc_gpu.kube.errors import OcGpuError, UsageError
from oc_gpu.workload.archive import pack, unpack


def _folder(at: Path) -> Path:
    (at / "deep" / ("long-" * 30)).mkdir(parents=True)
    (at / "empty").mkdir()
    (at / "a.txt").write_text("one")
    (at / "run.sh").write_text("#!/bin/sh\n")
    (at / "run.sh").chmod(0o755)
    (at / "deep" / ("long-" * 30) / "größe.bin").write_bytes(os.urandom(3_000_001))
    (at / "none").write_bytes(b"")
    (at / "link").symlink_to("a.txt")
    os.mkfifo(at / "pipe")
    return at


def _same(one: Path, other: Path) -> bool:
    files = [p.relative_to(one) for p in one.rglob("*") if p.is_file() and not p.is_symlink()]
    assert len(files) == 4
    return all((one / f).read_bytes() == (other / f).read_bytes() for f in files)


def test_what_is_packed_is_unpacked(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in")
    packed = pack(folder)
    data = b"".join(packed.pieces())
    assert len(data) == packed.size
    assert packed.files == 4
    assert packed.content == 3_000_001 + 3 + 10
    assert sorted(packed.left_out) == ["link", "pipe"]
    found = unpack(io.BytesIO(data), tmp_path / "out")
    assert _same(folder, tmp_path / "out")
    assert len(found.files) == 4
    assert (tmp_path / "out" / "run.sh").stat().st_mode & 0o111
    assert not (tmp_path / "out" / "a.txt").stat().st_mode & 0o111
    assert (tmp_path / "out" / "empty").is_dir()


@pytest.mark.skipif(shutil.which("tar") is None, reason="there is no tar here")
def test_tar_takes_it_and_ends_with_its_last_byte(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in")
    packed = pack(folder)
    (tmp_path / "out").mkdir()
    script = f"head -c {packed.size} | tar -xf - -C {tmp_path / 'out'}"
    with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for piece in packed.pieces():
            process.stdin.write(piece)
        process.stdin.flush()
        assert process.wait(20) == 0  # though its input is still open
    assert _same(folder, tmp_path / "out")


def test_an_empty_folder_is_an_empty_archive(tmp_path: Path) -> None:
    packed = pack(tmp_path)
    assert len(b"".join(packed.pieces())) == packed.size == tarfile.RECORDSIZE
    assert unpack(io.BytesIO(b"".join(packed.pieces())), tmp_path).files == ()


def test_a_file_that_shrinks_meanwhile_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    packed = pack(tmp_path)
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(UsageError, match="became shorter"):
        list(packed.pieces())
    (tmp_path / "a").unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        list(packed.pieces())


def _archive(*members: tuple[str, bytes, str]) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, kind, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            info.size = 4 if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(b"evil"))
    stream.seek(0)
    return stream


def test_nothing_is_written_outside_the_folder(tmp_path: Path) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (out / "door").symlink_to(outside)
    (out / "file").symlink_to(outside / "kept")
    stream = _archive(
        ("../up", tarfile.REGTYPE, ""),
        ("/abs", tarfile.REGTYPE, ""),
        ("a/../../up", tarfile.REGTYPE, ""),
        ("door/in", tarfile.REGTYPE, ""),
        ("new", tarfile.SYMTYPE, str(outside)),
        ("new/in", tarfile.REGTYPE, ""),
        ("hard", tarfile.LNKTYPE, "../outside/kept"),
        ("device", tarfile.CHRTYPE, ""),
        ("file", tarfile.REGTYPE, ""),
        ("./good", tarfile.REGTYPE, ""),
    )
    found = unpack(stream, out)
    assert found.files == ("file", "good", "new/in")
    assert len(found.left_out) == 7
    assert [p.name for p in outside.iterdir()] == ["kept"]
    assert (outside / "kept").read_text() == "kept"
    assert (out / "file").read_text() == "evil"
    assert not (out / "file").is_symlink()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "outside"]


def test_a_damaged_archive_is_told(tmp_path: Path) -> None:
    good = _archive(("a", tarfile.REGTYPE, ""), ("b", tarfile.REGTYPE, "")).getvalue()
    for data in (b"not an archive" * 100, good[:1300]):
        with pytest.raises(OcGpuError, match="damaged"):
            unpack(io.BytesIO(data), tmp_path)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        unpack(_archive(("a", tarfile.REGTYPE, "")), tmp_path)
