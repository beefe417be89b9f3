"""Files that users give, mutated: each either works or gives one clear sentence."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from oc_gpu import config
from oc_gpu.kube.connect import ConnectOptions, connect
from tests import portal
from tests.fuzz.judge import judged, nothing_written_outside
from tests.fuzz.mutations import extremes, series, turned

KUBECONFIGS, DOCUMENTS, PORTAL_FILES = 3000, 3000, 1500


def _yaml(value: Any) -> bytes:
    return yaml.dump(value, Dumper=yaml.CSafeDumper, allow_unicode=True).encode("utf-8", "replace")


KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "gpu",
    "clusters": [
        {
            "name": "c",
            "cluster": {
                "server": "https://api.example.com:6443/x",
                "certificate-authority-data": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t",
                "proxy-url": "http://user:hush@proxy.example.com:3128",
                "tls-server-name": "api",
            },
        }
    ],
    "users": [
        {"name": "u", "user": {"token": "sha256~hush", "as": "a", "as-groups": ["g"]}},
        {
            "name": "e",
            "user": {
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1",
                    "command": "login",
                    "args": ["x"],
                    "env": [{"name": "A", "value": "b"}],
                }
            },
        },
        {"name": "k", "user": {"client-certificate-data": "eA==", "client-key-data": "eA=="}},
    ],
    "contexts": [
        {"name": "gpu", "context": {"cluster": "c", "user": "u", "namespace": "n"}},
        {"name": "exec", "context": {"cluster": "c", "user": "e"}},
        {"name": "key", "context": {"cluster": "c", "user": "k"}},
    ],
}


@pytest.mark.parametrize("half", [0, 1])
def test_kubeconfigs(half: int, tmp_path: Path) -> None:
    path = tmp_path / "config"
    environ = {"HOME": str(tmp_path)}

    def use(raw: bytes, context: str) -> None:
        path.write_bytes(raw)
        connect(ConnectOptions(kubeconfig=str(path), context=context), environ)

    encode = _yaml if half else msgspec.json.encode
    worked = 0
    with nothing_written_outside(tmp_path):
        for number, raw in series(half, KUBECONFIGS // 2, KUBECONFIG, encode):
            context = ("gpu", "exec", "key")[number % 3]
            worked += judged(number, lambda raw=raw, c=context: use(raw, c))  # type: ignore[misc]
        for number, raw in enumerate(extremes(encode(KUBECONFIG))):
            judged(-number, lambda raw=raw: use(raw, "gpu"))  # type: ignore[misc]
    assert 0 < worked < KUBECONFIGS // 2


def _document() -> Any:
    return {
        "apiVersion": "oc-gpu.io/v1alpha1",
        "kind": "GpuPlatform",
        "metadata": {"name": "x"},
        "spec": {
            "entitlement": {"mode": "auto", "file": ""},
            "isolation": {
                "taint": "nodetype=gpu:NoSchedule",
                "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}],
            },
            "gpuOperator": {
                "channel": "auto",
                "driver": {"repository": "auto", "image": "auto", "version": "auto"},
                "clusterPolicy": {"mig": {"strategy": "single"}, "dcgm": {"enabled": True}},
            },
            "timeouts": {"enable": "1h", "disable": "90m"},
            "images": {"ubi": "auto"},
        },
    }


@pytest.mark.parametrize("half", [0, 1])
def test_documents(half: int, tmp_path: Path) -> None:
    path = tmp_path / "platform.yaml"

    def use(raw: bytes) -> None:
        path.write_bytes(raw)
        config.load(path)

    encode = _yaml if half else msgspec.json.encode
    worked = 0
    with nothing_written_outside(tmp_path):
        for number, raw in series(half, DOCUMENTS // 2, _document(), encode):
            worked += judged(number, lambda raw=raw: use(raw))  # type: ignore[misc]
        for number, raw in enumerate(extremes(encode(_document()))):
            judged(-number, lambda raw=raw: use(raw))  # type: ignore[misc]
    assert 0 < worked < DOCUMENTS // 2


def test_portal_files(tmp_path: Path) -> None:
    path = tmp_path / "entitlement"
    pem = portal.entitlement(start=portal.FIRST_DAY, end=portal.LAST_DAY)
    forms = (pem, portal.portal(pem), portal.zipped({f"{portal.FOLDER}/1.pem": pem}))

    def use(raw: bytes) -> None:
        path.write_bytes(raw)
        config.read_entitlement(str(path))

    worked = 0
    with nothing_written_outside(tmp_path):
        for number in range(PORTAL_FILES):
            dice = random.Random(f"portal {number}")  # noqa: S311 - it is to be repeatable
            raw = forms[number % len(forms)]
            for _ in range(dice.choice((1, 1, 3))):
                raw = turned(dice, raw)
            worked += judged(number, lambda raw=raw: use(raw))  # type: ignore[misc]
        for number, raw in enumerate(extremes(forms[1])):
            judged(-number, lambda raw=raw: use(raw))  # type: ignore[misc]
    assert 0 < worked < PORTAL_FILES
