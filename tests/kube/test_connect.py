"""From options to a client: kubeconfig first, the pod's own cluster only without one."""

import asyncio
import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

import oc_gpu.kube as room
from oc_gpu.kube import Client, ConfigError, ConnectOptions
from oc_gpu.kube.connect import connect, find, in_cluster
from tests.kube.server import Exchange, Server, serve
from tests.kube.test_tls import AUTHORITY, LOCAL, server_side
from tests.kube.wires import kubeconfig

INSIDE = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "token").write_text("t1\n")
    (folder / "ca.crt").write_bytes(AUTHORITY.pem)
    (folder / "namespace").write_text("pod-ns")
    monkeypatch.setattr("oc_gpu.kube.connect.SERVICE_ACCOUNT", folder)
    return folder


def config_file(path: Path, server: str = "https://k.example.com", **context: str) -> Path:
    config = kubeconfig({"server": server, "insecure-skip-tls-verify": True})
    config["contexts"][0]["context"].update(context)
    path.write_text(json.dumps(config))
    return path


def test_a_pod_speaks_to_its_own_cluster_with_a_token_that_is_read_anew(
    account: Path, tmp_path: Path
) -> None:
    async def handle(exchange: Exchange) -> None:
        await exchange.reply(200, {"gitVersion": "v1"})

    async def go() -> tuple[Client, Server]:
        async with serve(handle, server_side(LOCAL)) as server:
            environ = {**INSIDE, "KUBERNETES_SERVICE_PORT": str(server.port)}
            kube = connect(ConnectOptions(), {**environ, "HOME": str(tmp_path)})
            async with kube:
                await kube.version()
                (account / "token").write_text("t2\n")
                await kube.version()
            return kube, server

    kube, server = asyncio.run(go())
    assert [e.headers["authorization"] for e in server.requests] == ["Bearer t1", "Bearer t2"]
    assert (kube.namespace, kube.context_name) == ("pod-ns", None)


def test_a_kubeconfig_wins_over_the_pods_own_cluster(account: Path, tmp_path: Path) -> None:
    assert account.exists()
    path = config_file(tmp_path / "config")
    access = find(ConnectOptions(), {**INSIDE, "KUBECONFIG": str(path)})
    assert access.cluster.server == "https://k.example.com"


def test_a_named_context_is_never_the_pods_own_cluster(account: Path, tmp_path: Path) -> None:
    assert account.exists()
    with pytest.raises(ConfigError):
        find(ConnectOptions(context="x"), {**INSIDE, "HOME": str(tmp_path)})


def test_outside_of_a_pod_there_is_no_cluster_of_its_own(account: Path) -> None:
    assert in_cluster({}, account) is None
    (account / "token").unlink()
    assert in_cluster(INSIDE, account) is None


def test_addresses_of_version_six_are_bracketed(account: Path) -> None:
    access = in_cluster({**INSIDE, "KUBERNETES_SERVICE_HOST": "fd00::1"}, account)
    assert access is not None
    assert access.cluster.server == "https://[fd00::1]:443"


def test_without_any_kubeconfig_it_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no kubeconfig: .*config is missing") as caught:
        connect(ConnectOptions(), {"HOME": str(tmp_path)})
    assert "oc login" in caught.value.hints[0]
    assert caught.value.exit_code == 2


def test_the_namespace_comes_from_option_context_or_default(tmp_path: Path) -> None:
    plain = str(config_file(tmp_path / "plain"))
    own = str(config_file(tmp_path / "own", namespace="ctx"))
    cases = [
        (ConnectOptions(plain), "default"),
        (ConnectOptions(own), "ctx"),
        (ConnectOptions(own, namespace="given"), "given"),
    ]
    assert [connect(options, {}).namespace for options, _ in cases] == [n for _, n in cases]


def test_the_client_knows_its_server_and_context(tmp_path: Path) -> None:
    path = config_file(tmp_path / "config", "https://jane:s3cret@k.example.com:6443/")
    kube = Client.connect(ConnectOptions(str(path)))
    assert (kube.server, kube.context_name) == ("https://k.example.com:6443", "test")


@pytest.mark.parametrize("server", ["ftp://x", "https://", "https://x:port", "https://[::1"])
def test_a_server_that_is_no_url_is_refused(server: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not an http or https URL"):
        connect(ConnectOptions(str(config_file(tmp_path / "config", server))), {})


def test_without_a_scheme_tls_settings_decide(tmp_path: Path) -> None:
    path = config_file(tmp_path / "config", "k.example.com:6443")
    assert connect(ConnectOptions(str(path)), {}).server == "https://k.example.com:6443"
    path.write_text(json.dumps(kubeconfig({"server": "k.example.com:8080"})))
    assert connect(ConnectOptions(str(path)), {}).server == "http://k.example.com:8080"


def test_data_that_is_no_base64_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(
        json.dumps(kubeconfig({"server": "https://k", "certificate-authority-data": "%%"}))
    )
    with pytest.raises(ConfigError, match=r"certificate-authority-data .* is not base64"):
        connect(ConnectOptions(str(path)), {})
    folded = base64.b64encode(AUTHORITY.pem).decode()
    folded = "\n".join(folded[i : i + 64] for i in range(0, len(folded), 64))
    path.write_text(
        json.dumps(kubeconfig({"server": "https://k", "certificate-authority-data": folded}))
    )
    connect(ConnectOptions(str(path)), {})


def loaded(code: str, *modules: str) -> list[str]:
    """Return which of the modules a fresh interpreter has loaded after some code."""
    told = f"{code}\nimport sys\nprint(*[m for m in {modules!r} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, check=True, text=True
    )
    return result.stdout.split()


def test_errors_are_imported_without_anything_heavy() -> None:
    heavy = ("asyncio", "ssl", "msgspec", "h11", "yaml", "wsproto", "oc_gpu.kube.client")
    assert loaded("from oc_gpu.kube import OcGpuError, ConfigError", *heavy) == []


def test_a_client_is_made_without_yaml_websockets_or_cryptography(tmp_path: Path) -> None:
    path = config_file(tmp_path / "config")
    code = (
        "from oc_gpu.kube import Client, ConnectOptions\n"
        f"Client.connect(ConnectOptions({str(path)!r}))"
    )
    heavy = ("yaml", "wsproto", "cryptography", "tempfile", "email.utils", "http.client")
    assert loaded(code, *heavy) == []


def test_every_public_name_can_be_imported() -> None:
    assert all(getattr(room, name) is not None for name in room.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        room.nonsense  # noqa: B018
