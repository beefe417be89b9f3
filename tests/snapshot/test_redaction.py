"""Secrets do not leave a cluster, and what the doctor looks for does."""

import base64
import gzip
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oc_gpu.checks.case import Case
from oc_gpu.checks.doctor import diagnose
from oc_gpu.snapshot.redaction import HIDDEN, NOTHING, found_in, redact, redact_text
from oc_gpu.snapshot.redaction.names import is_secret
from oc_gpu.snapshot.texts import Text
from tests import portal
from tests.checks.ailments import AILMENTS

WORD = "plainpassphrase"
MADE = "Hunter2-xyzzy"


def _b64(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "PASSWORD",
        "DB_PASS",
        "NGC_API_KEY",
        "apiKey",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "client-key-data",
        "bearerToken",
        "client_configuration_token.tok",
        "passwordHash",
        ".dockerconfigjson",
        "auth",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "key",
        "topologyKey",
        "configMapKeyRef",
        "secretName",
        "imagePullSecrets",
        "PWD",
        "tokenExpirationSeconds",
        "serviceAccountName",
        "NVIDIA_VISIBLE_DEVICES",
        "publicKey",
        "compass",
        "monkey",
    ],
)
def test_names_of_other_things(name: str) -> None:
    assert not is_secret(name)


TEXTS = {
    "yaml": f"users:\n- user:\n    token: {WORD}\n    other: 1\n",
    "yaml in a log": f"2026-01-01T00:00:00.000000000Z   password: {WORD}\n",
    "yaml in quotes": f'password: "{WORD} and more"\n',
    "block": f"password: |\n  {WORD}\n  second{WORD}\nnext: 1\n",
    "assignment": f"export DB_PASSWORD={WORD} && run",
    "json": f'{{"password":"{WORD}"}}',
    "json in json": f'{{"spec":"{{\\"password\\":\\"{WORD}\\"}}"}}',
    "variable in json": f'{{"name":"DB_PASSWORD","value":"{WORD}"}}',
    "variable in yaml": f"- name: DB_PASSWORD\n  value: {WORD}\n",
    "flag": f"run --registry-password {WORD} --verbose",
    "flag with sign": f"run --token={WORD}",
    "dockerconfig": json.dumps({"auths": {"nvcr.io": {"auth": _b64(f"$oauthtoken:{WORD}")}}}),
    "dockerconfig in base64": _b64(json.dumps({"auths": {"a": {"auth": _b64(WORD)}}})),
    "header": f"Authorization: Bearer {MADE}",
    "basic": f"> Authorization: Basic {_b64(MADE)}",
    "url": f"proxyconnect http://user:{WORD}@proxy:3128 failed",
    "url with at": f"http://user:a@{WORD}@proxy:3128",
    "url with slash": f"http://user:a/{WORD}@proxy:3128/path",
    "prose": f"using token: {MADE} for registry",
    "jwt": "got eyJhbGciOiJSUzI1NiIs.eyJpc3MiOiJrdWJlcm5l.c2lnbmF0dXJlAAAA",
    "openshift token": "oc login --token sha256~AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
    "nvapi": "key nvapi-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
    "connection": f"Server=db;Password={WORD};Timeout=3",
}
SECRETS = (WORD, MADE, _b64(WORD)[:16], _b64(MADE)[:16], "c2lnbmF0dXJl", "AbCdEfGhIjKl")


@pytest.mark.parametrize("form", TEXTS)
def test_secrets_in_text(form: str) -> None:
    shown = redact_text(TEXTS[form])
    assert not any(secret in shown for secret in SECRETS), shown
    assert HIDDEN in shown or "***@" in shown


def test_pem_whole_cut_off_escaped_and_in_base64() -> None:
    pem = portal.lasting().decode()
    key = pem[pem.index("-----BEGIN RSA PRIVATE KEY") :]
    lines = [line for line in key.splitlines() if len(line) == 64]
    for text in (
        pem,
        key[: len(key) // 2],
        key[len(key) // 2 :],
        pem.replace("\n", "\\n"),
        "".join(f"2026-01-01T00:00:00Z {line}\n" for line in key.splitlines()),
        _b64(key),
        _b64(gzip.compress(key.encode())),
    ):
        shown = redact_text(f"before\n{text}\nafter the end")
        assert not any(line[:40] in shown for line in lines)
        assert shown.startswith("before")


KEPT = (
    "modprobe: ERROR: could not insert 'nvidia': Required key not available",
    "error getting token: unauthorized: authentication required",
    'MountVolume.SetUp failed for volume "x" : secret "nvcr" not found',
    'Back-off pulling image "quay.io:5000/nvidia/driver@sha256:d1e7cd3c7a1a2f7b8f2c3d4e5f607182"',
    "failed to pull docker://nvcr.io:443/nvidia/driver@sha256:00112233445566778899aabbccddeeff",
    "nvidia-driver-daemonset-9.6.20251028-0-skxbb 0b7a52f2-3a56-4a3c-9a5e-b0a3f3b8f420",
    "failed to fetch anonymous token: unexpected status: 401 Unauthorized",
    "key: nvidia.com/gpu, operator: Exists",
    "x509: certificate signed by unknown authority, expected -----BEGIN CERTIFICATE----- there",
    "/sys/devices/pci0000:00/0000:00:02.0/driver/module/drivers/pci:nvidia/0000/Abc/Def/Ghi1",
)


@pytest.mark.parametrize("line", KEPT)
def test_what_the_doctor_looks_for_stays(line: str) -> None:
    assert redact_text(line) == line


def test_the_doctor_says_the_same_of_redacted_logs() -> None:
    """No rule lives on what redaction takes for a secret."""
    for name, (make, *_) in AILMENTS.items():
        patient = make()
        texts = {
            ref: tuple(
                Text([redact_text(line.text) for line in part], [line.number for line in part])
                for part in parts
            )
            for ref, parts in patient.texts.items()
        }
        shown = msgspec.structs.replace(patient.snapshot(), texts=texts)
        before = [(f.code, f.confidence) for f in patient.diagnosis()]
        assert [(f.code, f.confidence) for f in diagnose(Case(shown))] == before, name


def _pod(**container: Any) -> dict[str, Any]:
    meta = {"name": "p", "namespace": "n", "labels": {"pod": "08"}}
    return {"kind": "Pod", "metadata": meta, "spec": {"containers": [{"name": "c", **container}]}}


class TestObjects:
    def test_values_of_a_secret_go_and_its_keys_stay(self) -> None:
        raw = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"a": _b64(WORD)}}
        assert redact(raw)["data"] == {"a": HIDDEN}

    def test_variables(self) -> None:
        env = [{"name": "DB_PASSWORD", "value": WORD}, {"name": "LEVEL", "value": "debug"}]
        shown = redact(_pod(env=env))["spec"]["containers"][0]["env"]
        assert [one["value"] for one in shown] == [HIDDEN, "debug"]

    def test_arguments(self) -> None:
        shown = redact(_pod(args=["--password", WORD, f"--token={WORD}", "--level", "9"]))
        assert shown["spec"]["containers"][0]["args"] == [
            "--password",
            HIDDEN,
            f"--token={HIDDEN}",
            "--level",
            "9",
        ]

    def test_annotations_that_repeat_an_object(self) -> None:
        raw = _pod()
        last = "kubectl.kubernetes.io/last-applied-configuration"
        raw["metadata"]["annotations"] = {last: f'{{"x":"{WORD}"}}', "other": "stays"}
        assert redact(raw)["metadata"]["annotations"] == {last: HIDDEN, "other": "stays"}

    def test_files_of_a_machine_config_keep_their_paths_only(self) -> None:
        source = f"data:text/plain;charset=utf-8;base64,{_b64(portal.lasting())}"
        files = [{"path": "/etc/pki/entitlement/entitlement.pem", "contents": {"source": source}}]
        users = [{"name": "core", "passwordHash": WORD, "sshAuthorizedKeys": [f"ssh-rsa {WORD}"]}]
        config = {"storage": {"files": files}, "passwd": {"users": users}}
        raw = {"kind": "MachineConfig", "metadata": {"name": "m"}, "spec": {"config": config}}
        text = json.dumps(redact(raw))
        assert WORD not in text
        assert source[-60:] not in text
        assert "/etc/pki/entitlement/entitlement.pem" in text

    def test_config_maps(self) -> None:
        data = {"kubeconfig": f"x {WORD}", "tls.key": WORD, "a.yaml": f"token: {WORD}\nlevel: 1"}
        raw = {"kind": "ConfigMap", "metadata": {"name": "m"}, "data": data}
        raw["binaryData"] = {"b": _b64(WORD)}
        shown = redact(raw)
        assert WORD not in json.dumps(shown)
        assert "level: 1" in shown["data"]["a.yaml"]
        assert shown["binaryData"] == {"b": HIDDEN}

    def test_what_is_known_from_one_place_is_hidden_in_another(self) -> None:
        known = found_in([_pod(env=[{"name": "API_TOKEN", "value": MADE}])])
        shown = redact_text(f"starting with {MADE} and {_b64(MADE).rstrip('=')}", known)
        assert shown == f"starting with {HIDDEN} and {HIDDEN}"

    def test_what_is_not_secret_is_as_it_was(self) -> None:
        raw = _pod(image="nvcr.io/nvidia/driver:1", resources={"limits": {"nvidia.com/gpu": 1}})
        raw["spec"]["tolerations"] = [{"key": "nvidia.com/gpu", "operator": "Exists"}]
        assert redact(raw) == raw


@given(st.text(max_size=400))
def test_any_text_can_be_redacted_and_twice_is_once(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once, NOTHING) == once
