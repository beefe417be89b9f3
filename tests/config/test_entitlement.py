"""The entitlement file: what is found in it, what is refused and how, and that no key is shown."""

import base64
import contextlib
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oc_gpu.config import (
    Entitlement,
    EntitlementError,
    Secret,
    archives,
    inspect_entitlement,
    read_entitlement,
)
from tests import portal
from tests.portal import NOW

WHOLE = portal.portal(portal.entitlement())


@pytest.fixture
def download(tmp_path: Path) -> Path:
    return tmp_path / "download.zip"


def read(path: Path, content: bytes) -> Entitlement:
    path.write_bytes(content)
    return read_entitlement(path, NOW)


def refusal(path: Path, content: bytes) -> str:
    with pytest.raises(EntitlementError) as caught:
        read(path, content)
    assert caught.value.exit_code == 2
    assert caught.value.hints
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_bare_pem_is_read_whole(download: Path) -> None:
    pem = portal.entitlement()
    found = read(download, pem)
    assert (found.pem, found.serial, found.subject) == (pem, "41", "CN=8a85f9997a2b")
    assert found.not_before < NOW < found.not_after
    assert found.notes == ()


def test_the_portal_s_zip_in_a_zip_is_read(download: Path) -> None:
    pem = portal.entitlement()
    found = read(download, portal.portal(pem))
    assert found.pem == pem
    assert found.name == f"{portal.FOLDER}/0.pem"


def test_other_certificates_of_the_portal_s_zip_are_passed_over(download: Path) -> None:
    pem = portal.entitlement(serial=7)
    others = {
        "export/products/69.pem": portal.certificate(portal.key()),
        "export/upstream_consumer/a.pem": portal.entitlement(start=-1, serial=8),
    }
    assert read(download, portal.portal(pem, others=others)).serial == "7"


def test_a_zip_with_the_pem_at_its_top_is_read(download: Path) -> None:
    pem = portal.entitlement()
    assert read(download, portal.zipped({"entitlement.pem": pem})).pem == pem


def test_of_several_the_newest_that_is_valid_is_taken_and_said(download: Path) -> None:
    old = portal.entitlement(start=-100, serial=1)
    new = portal.entitlement(start=-10, serial=2)
    future = portal.entitlement(start=10, serial=3)
    expired = portal.entitlement(start=-9, end=-1, serial=4)
    found = read(download, portal.portal(old, future, new, expired))
    assert found.serial == "2"
    assert "4 certificates found, 2 usable; the newest one is taken: serial 2" in found.notes


def test_a_certificate_that_ends_soon_is_taken_with_a_word(download: Path) -> None:
    found = read(download, portal.entitlement(end=10))
    assert any("expires on 2021-03-11" in note for note in found.notes)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EntitlementError, match=r"cannot read .*nowhere.zip: no such file"):
        read_entitlement(tmp_path / "nowhere.zip", NOW)


def test_a_path_that_cannot_be_is_refused() -> None:
    with pytest.raises(EntitlementError, match="null byte"):
        read_entitlement("a\0b", NOW)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EntitlementError, match="is a directory"):
        read_entitlement(tmp_path, NOW)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is no PEM file"),
        (b"hello", "it is no PEM file"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n", "it is a PEM file that was cut off"),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "its certificate is damaged",
        ),
    ],
    ids=["empty", "text", "cut off", "damaged"],
)
def test_what_is_no_certificate_is_refused(download: Path, content: bytes, why: str) -> None:
    assert refusal(download, content) == f"cannot use {download}: {why}"


def test_a_key_alone_is_refused(download: Path) -> None:
    assert "it holds no certificate" in refusal(download, portal.key_pem(portal.key()))


def test_a_certificate_without_key_is_refused(download: Path) -> None:
    assert "no key" in refusal(download, portal.certificate(portal.key()))


def test_the_key_of_another_certificate_is_refused(download: Path) -> None:
    content = portal.certificate(portal.key()) + portal.key_pem(portal.key())
    assert "its key belongs to another certificate" in refusal(download, content)


def test_a_damaged_key_is_refused(download: Path) -> None:
    damaged = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    content = portal.certificate(portal.key()) + damaged
    assert "its key is damaged" in refusal(download, content)


@pytest.mark.parametrize("legacy", [False, True], ids=["PKCS8", "legacy header"])
def test_a_locked_key_is_refused(download: Path, *, legacy: bool) -> None:
    private = portal.key()
    locked = portal.key_pem(private, b"secret")
    if legacy:
        locked = (
            b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
            b"DEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"
        )
    assert "locked with a passphrase" in refusal(download, portal.certificate(private) + locked)


def test_an_expired_certificate_is_refused_with_its_day(download: Path) -> None:
    assert "it expired on 2021-02-27" in refusal(download, portal.entitlement(end=-2))


def test_a_certificate_that_is_not_valid_yet_is_refused(download: Path) -> None:
    assert "not valid before 2021-03-06" in refusal(download, portal.entitlement(start=5))


def test_validity_is_measured_at_the_given_moment(download: Path) -> None:
    download.write_bytes(portal.entitlement(end=1))
    assert read_entitlement(download, NOW)
    with pytest.raises(EntitlementError, match="expired"):
        read_entitlement(download, NOW + timedelta(days=2))


def test_of_several_bad_ones_the_newest_is_named(download: Path) -> None:
    content = portal.portal(portal.entitlement(end=-2), portal.entitlement(start=-90, end=-9))
    text = refusal(download, content)
    assert text.startswith("none of the 2 certificates")
    assert "0.pem: it expired on 2021-02-27" in text


def test_a_zip_without_pem_is_refused(download: Path) -> None:
    assert "holds no PEM file" in refusal(download, portal.zipped({"a.txt": b"a"}))


def test_an_empty_zip_is_refused(download: Path) -> None:
    assert "holds no PEM file" in refusal(download, portal.zipped({}))


@pytest.mark.parametrize("length", [30, 400])
def test_a_damaged_zip_is_refused(download: Path, length: int) -> None:
    assert "damaged ZIP" in refusal(download, portal.portal(portal.entitlement())[:length])


def test_a_zip_with_a_wrong_checksum_is_refused(download: Path) -> None:
    content = bytearray(portal.zipped({"entitlement.pem": portal.entitlement()}))
    content[60] ^= 0xFF
    assert "damaged ZIP" in refusal(download, bytes(content))


def test_a_locked_zip_is_refused(download: Path) -> None:
    content = bytearray(portal.zipped({"entitlement.pem": portal.entitlement()}))
    central = content.index(b"PK\x01\x02")
    content[6] |= 1
    content[central + 8] |= 1
    assert "locked with a password" in refusal(download, bytes(content))


def nested(depth: int) -> bytes:
    content = portal.zipped({"entitlement.pem": portal.entitlement()})
    for _ in range(depth - 1):
        content = portal.zipped({"inner.zip": content})
    return content


def test_three_archives_in_each_other_are_opened_and_no_more(download: Path) -> None:
    assert read(download, nested(3))
    assert "more than 3 archives" in refusal(download, nested(4))


def test_a_member_that_shrank_unbelievably_is_refused(download: Path) -> None:
    bomb = portal.zipped({"a.pem": b"\x00" * (4 << 20)})
    assert f"{download.name} is refused: it has a member that shrank more" in refusal(
        download, bomb
    )


def test_a_member_that_is_larger_than_its_header_claims_is_refused(
    download: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBER", 1000)
    assert "a member larger" in refusal(download, portal.zipped({"a.pem": b"a" * 2000}))


def test_many_members_together_may_not_be_too_much(
    download: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_TOTAL", 1000)
    content = portal.zipped({f"{number}.pem": b"a" * 400 for number in range(3)})
    assert "unpacked" in refusal(download, content)


def test_too_many_members_are_refused(download: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    content = portal.zipped({f"{number}.txt": b"" for number in range(4)})
    assert "more than 5000 members" in refusal(download, content)


def test_a_file_that_is_too_large_is_not_read_on(
    download: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_FILE", 100)
    assert "is larger than" in refusal(download, b"a" * 101)


def test_members_of_other_kinds_are_never_unpacked(download: Path) -> None:
    others = {"export/huge.json": b"\x00" * (64 << 20)}
    assert read(download, portal.portal(portal.entitlement(), others=others))


def test_many_beginnings_without_end_cost_no_time(download: Path) -> None:
    assert "cut off" in refusal(download, b"-----BEGIN CERTIFICATE-----\n" * 30_000)


def test_inspecting_tells_of_each_certificate_and_which_is_taken(download: Path) -> None:
    download.write_bytes(
        portal.portal(portal.entitlement(end=-2, serial=1), portal.entitlement(serial=2))
    )
    report = inspect_entitlement(download, NOW)
    assert (report.kind, report.usable, report.chosen) == ("ZIP", True, f"{portal.FOLDER}/1.pem")
    assert [c.serial for c in report.certificates] == ["2", "1"]
    assert report.certificates[1].problem == "it expired on 2021-02-27"


def test_inspecting_what_cannot_be_used_tells_why_without_failing(download: Path) -> None:
    download.write_bytes(portal.certificate(portal.key()))
    report = inspect_entitlement(download, NOW)
    assert not report.usable
    assert report.certificates[0].problem == "it holds a certificate but no key"


def parts_of_the_key(pem: bytes) -> list[str]:
    body = pem.split(b"-----BEGIN PRIVATE KEY-----")[1].split(b"-----END")[0]
    lines = body.decode().split()
    return [*lines, base64.b64encode(pem).decode()[-60:]]


def test_the_key_shows_in_no_text_of_what_is_returned(download: Path) -> None:
    pem = portal.entitlement()
    found = read(download, portal.portal(pem))
    report = inspect_entitlement(download, NOW)
    opened = archives.open_download(download)
    told = [repr(found), str(found), f"{found.pem}", repr(found.pem), repr(report), repr(opened)]
    for part in parts_of_the_key(pem):
        assert not any(part in text for text in told)


def test_the_key_shows_in_no_error(download: Path) -> None:
    private = portal.key()
    for content in (
        portal.key_pem(private),
        portal.certificate(portal.key()) + portal.key_pem(private),
        portal.certificate(private, end=-2) + portal.key_pem(private),
    ):
        text = refusal(download, content)
        assert not any(part in text for part in parts_of_the_key(portal.key_pem(private)))


def test_a_secret_is_still_its_bytes() -> None:
    assert Secret(b"abc") == b"abc"
    assert str(Secret(b"abc")) == f"{Secret(b'abc')}" == repr(Secret(b"abc")) == "(not shown)"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(0, 3000), max_size=6), junk=st.binary(max_size=20))
def test_whatever_is_broken_ends_in_one_clear_error(
    download: Path, cuts: list[int], junk: bytes
) -> None:
    content = WHOLE
    for cut in cuts:
        content = content[:cut] + junk + content[cut + 7 :]
    download.write_bytes(content)
    with contextlib.suppress(EntitlementError):
        assert read_entitlement(download, NOW).serial == "41"
