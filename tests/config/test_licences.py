"""The licence of virtual GPUs: files that are judged before anything is sent, and never shown."""

import base64
import binascii
import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from oc_gpu.config import LicenceError, VgpuSpec, read_licence
from oc_gpu.config.licences import MAX_BYTES
from oc_gpu.facts import gpu_operator_release
from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import CONFIGMAPS
from oc_gpu.manifests import licence as manifests
from oc_gpu.report.files import without_secrets
from oc_gpu.rollout.differences import differences
from oc_gpu.snapshot.redaction import redact

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SIGNATURE = "c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"


def token(**claims: object) -> str:
    parts = ({"alg": "RS256", "typ": "JWT"}, {"iss": "NLS Service Instance", **claims})
    encoded = (base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts)
    return ".".join((*encoded, SIGNATURE))


def given(folder: Path, content: str) -> VgpuSpec:
    file = folder / "client_configuration_token.tok"
    file.write_text(content)
    return VgpuSpec(token=str(file))


def test_a_token_is_read_and_does_not_show_itself(tmp_path: Path) -> None:
    read = read_licence(given(tmp_path, token(exp=1e10)), NOW)
    assert read is not None
    assert bytes(read.token).decode().endswith(SIGNATURE)
    assert SIGNATURE not in repr(read) + str(read) + f"{read.token!s}"


def test_no_files_are_no_licence() -> None:
    assert read_licence(VgpuSpec(secret="theirs"), NOW) is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "is no client configuration token"),
        ("<html>sign in</html>", "is no client configuration token"),
        ("a.b.c", "is no client configuration token"),
        ("....", "is no client configuration token"),
        (token(exp=1), "is no more valid"),
        ("x" * (MAX_BYTES + 1), "is larger than"),
    ],
)
def test_what_is_no_token_is_refused_without_showing_it(
    tmp_path: Path, content: str, why: str
) -> None:
    with pytest.raises(LicenceError, match=why) as caught:
        read_licence(given(tmp_path, content), NOW)
    assert "sign in" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(LicenceError, match="no such file"):
        read_licence(VgpuSpec(token=str(tmp_path / "none.tok")), NOW)


@pytest.mark.parametrize("release", ["24.6.2", "25.10.1"])
def test_the_token_is_in_what_is_sent_and_in_nothing_that_is_shown(
    tmp_path: Path, release: str
) -> None:
    read = read_licence(given(tmp_path, token(exp=1e10)), NOW)
    assert read is not None
    kind = gpu_operator_release(release).era.licence_kind
    made = manifests.holder(read, "nvidia-gpu-operator", kind)
    assert made["kind"] == ("Secret" if release == "25.10.1" else "ConfigMap")
    assert _signature_in(made)
    assert set(made["data"]) == {"gridd.conf", "client_configuration_token.tok"}
    assert not _signature_in(without_secrets(made))
    assert not _signature_in(redact(made))


def test_the_difference_of_a_configmap_hides_the_token(tmp_path: Path) -> None:
    read = read_licence(given(tmp_path, token(exp=1e10)), NOW)
    assert read is not None
    made = manifests.holder(read, "nvidia-gpu-operator", "ConfigMap")
    shown = list(differences(CONFIGMAPS, None, made))
    assert any(d.path.endswith(".tok") for d in shown)
    assert SIGNATURE not in repr(shown)


def _signature_in(made: RawObject) -> bool:
    if SIGNATURE in json.dumps(made):
        return True
    with suppress(binascii.Error):
        told = base64.b64decode(made["data"]["client_configuration_token.tok"])
        return SIGNATURE.encode() in told
    return False
