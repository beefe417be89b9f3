"""Who we are: tokens, files, passwords, plugins; and that nobody gets to see them."""

import asyncio
import base64
import datetime as dt
import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from oc_gpu.kube import ConfigError, ConnectionFailedError, UnauthorizedError
from oc_gpu.kube import resources as known
from oc_gpu.kube.credentials import Credentials, Proof, credentials
from oc_gpu.kube.execplugin import ExecPlugin
from oc_gpu.kube.kubeconfig import (
    Access,
    AuthProvider,
    Cluster,
    EnvVar,
    ExecConfig,
    Extension,
    User,
)
from tests.kube.server import Exchange, Server, serve, status
from tests.kube.wires import connected, kubeconfig, reached

V1, V1BETA1 = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"


def made(user: User, cluster: Cluster | None = None, *, interactive: bool = False) -> Credentials:
    return credentials(Access(cluster or Cluster(), user, "jane"), interactive=interactive)


def proof(user: User) -> Proof:
    return asyncio.run(made(user).current())


def test_a_token_goes_into_the_authorization_header() -> None:
    assert proof(User(token="t\n")).authorization == "Bearer t"
    assert proof(User()).authorization == ""


def test_a_password_is_sent_as_basic_authentication() -> None:
    expected = base64.b64encode("jané:p:w".encode()).decode()
    assert proof(User(username="jané", password="p:w")).authorization == f"Basic {expected}"


def test_a_token_and_a_password_together_are_refused() -> None:
    with pytest.raises(ConfigError, match="both a token and a user name"):
        made(User(token="t", username="u"))


def test_a_token_file_wins_over_a_token_and_is_read_each_time(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("one\n")
    own = made(User(token="t", token_file=str(path)))

    async def go() -> None:
        first = await own.current()
        assert first.authorization == "Bearer one"
        assert not await own.renew(first)
        path.write_text("two")
        assert (await own.current()).authorization == "Bearer two"
        assert await own.renew(first)

    asyncio.run(go())


def test_a_token_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    own = made(User(token_file=str(tmp_path / "gone")))
    with pytest.raises(ConfigError, match=r"cannot read the token file .*gone"):
        asyncio.run(own.current())


def test_the_mechanism_before_plugins_is_explained() -> None:
    with pytest.raises(ConfigError, match="auth-provider 'oidc'"):
        made(User(auth_provider=AuthProvider("oidc")))


@pytest.mark.parametrize(
    "user",
    [
        User(client_certificate_data="bm8="),
        User(client_key_data="bm8="),
        User(client_certificate_data="%%%", client_key_data="bm8="),
        User(client_certificate="/does/not/exist", client_key_data="bm8="),
    ],
)
def test_half_a_client_certificate_is_refused(user: User) -> None:
    with pytest.raises(ConfigError) as caught:
        made(user)
    assert caught.value.hints


def test_nothing_that_holds_a_secret_shows_it() -> None:
    user = User(token="s3cret", password="s3cret", client_key_data="s3cret")
    plugin = ExecConfig(command="x", env=[EnvVar("TOKEN", "s3cret")])
    shown = [
        user,
        plugin,
        Access(Cluster(), user),
        Proof("Bearer s3cret"),
        made(User(token="s3cret")),
    ]
    assert "s3cret" not in repr(shown)


class Plugin:
    """A plugin that prints what the test wants and keeps how it was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "login"
        script = (
            f"#!{sys.executable}\n"
            "import json, os, sys, pathlib\n"
            f"folder = pathlib.Path({str(folder)!r})\n"
            "with (folder / 'calls').open('a') as calls:\n"
            "    calls.write(json.dumps({\n"
            "        'argv': sys.argv[1:],\n"
            "        'info': json.loads(os.environ['KUBERNETES_EXEC_INFO']),\n"
            "        'extra': os.environ.get('EXTRA'), 'stdin': sys.stdin.read()}) + '\\n')\n"
            "print((folder / 'answer').read_text())\n"
            "sys.exit(int((folder / 'exit').read_text()))\n"
        )
        self.path.write_text(script)
        self.path.chmod(self.path.stat().st_mode | stat.S_IXUSR)
        (folder / "exit").write_text("0")

    def answers(self, version: str = V1, **status: str) -> None:
        value = {"kind": "ExecCredential", "apiVersion": version, "status": status}
        (self.folder / "answer").write_text(json.dumps(value))

    @property
    def calls(self) -> list[dict[str, Any]]:
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def config(self, version: str = V1, mode: str = "Never", **more: Any) -> ExecConfig:
        return ExecConfig(
            command=str(self.path), api_version=version, interactive_mode=mode, **more
        )


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    return Plugin(tmp_path)


def stamp(seconds: float) -> str:
    time = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(("version", "mode"), [(V1, "Never"), (V1BETA1, "")])
def test_a_plugin_gives_the_token(plugin: Plugin, version: str, mode: str) -> None:
    plugin.answers(version, token="fresh")
    config = plugin.config(version, mode, args=["a", "b"], env=[EnvVar("EXTRA", "e")])
    assert proof(User(exec=config)).authorization == "Bearer fresh"
    assert plugin.calls == [
        {
            "argv": ["a", "b"],
            "info": {
                "apiVersion": version,
                "kind": "ExecCredential",
                "spec": {"interactive": False},
            },
            "extra": "e",
            "stdin": "",
        }
    ]


def test_a_plugins_answer_is_kept_until_it_expires(plugin: Plugin) -> None:
    own = made(User(exec=plugin.config()))

    async def go() -> None:
        plugin.answers(token="long", expirationTimestamp=stamp(3600))
        assert [(await own.current()).authorization for _ in range(3)] == ["Bearer long"] * 3
        assert len(plugin.calls) == 1

    asyncio.run(go())
    expired = made(User(exec=plugin.config()))

    async def again() -> None:
        plugin.answers(token="short", expirationTimestamp=stamp(-1))
        await expired.current()
        plugin.answers(token="next", expirationTimestamp=stamp(3600))
        assert (await expired.current()).authorization == "Bearer next"
        assert len(plugin.calls) == 3

    asyncio.run(again())


def test_many_requests_at_once_run_a_plugin_once(plugin: Plugin) -> None:
    plugin.answers(token="t")
    own = made(User(exec=plugin.config()))

    async def go() -> None:
        await asyncio.gather(*(own.current() for _ in range(5)))

    asyncio.run(go())
    assert len(plugin.calls) == 1


def test_a_plugin_is_told_about_the_cluster_when_it_wants(plugin: Plugin, tmp_path: Path) -> None:
    plugin.answers(token="t")
    (tmp_path / "ca").write_bytes(b"pem")
    cluster = Cluster(
        server="https://k",
        tls_server_name="n",
        certificate_authority=str(tmp_path / "ca"),
        proxy_url="http://p",
        extensions=[Extension("client.authentication.k8s.io/exec", {"audience": 7})],
    )
    config = plugin.config(provide_cluster_info=True)
    asyncio.run(made(User(exec=config), cluster).current())
    assert plugin.calls[0]["info"]["spec"]["cluster"] == {
        "server": "https://k",
        "tls-server-name": "n",
        "certificate-authority-data": base64.b64encode(b"pem").decode(),
        "proxy-url": "http://p",
        "config": {"audience": 7},
    }


def test_a_plugin_may_give_a_certificate(plugin: Plugin) -> None:
    plugin.answers(clientCertificateData="CERT", clientKeyData="KEY")
    certificate = proof(User(exec=plugin.config())).certificate
    assert certificate is not None
    assert (certificate.chain, certificate.key) == (b"CERT", b"KEY")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("no json s3cret", "printed no ExecCredential"),
        ('{"kind": "ExecCredential", "apiVersion": "x"}', "something else than"),
        (json.dumps({"kind": "ExecCredential", "apiVersion": V1}), "neither a token nor"),
        (
            json.dumps(
                {"kind": "ExecCredential", "apiVersion": V1, "status": {"clientKeyData": "s3cret"}}
            ),
            "only one of certificate and key",
        ),
    ],
)
def test_a_useless_answer_of_a_plugin_is_explained(
    plugin: Plugin, answer: str, message: str
) -> None:
    (plugin.folder / "answer").write_text(answer)
    with pytest.raises(ConfigError, match=message) as caught:
        proof(User(exec=plugin.config()))
    assert "'jane'" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_plugin_that_fails_is_named_with_its_exit_code(plugin: Plugin) -> None:
    plugin.answers(token="t")
    (plugin.folder / "exit").write_text("5")
    with pytest.raises(ConnectionFailedError, match="failed with exit code 5") as caught:
        proof(User(exec=plugin.config()))
    assert caught.value.permanent


def test_a_plugin_that_is_not_installed_gives_its_own_hint() -> None:
    config = ExecConfig("oc-gpu-no-such-plugin", V1, interactive_mode="Never")
    with pytest.raises(ConfigError, match=r"cannot run oc-gpu-no-such-plugin.*No such file"):
        proof(User(exec=config))
    hinted = ExecConfig(
        "oc-gpu-no-such-plugin", V1, interactive_mode="Never", install_hint="brew\ninstall it."
    )
    with pytest.raises(ConfigError) as caught:
        proof(User(exec=hinted))
    assert caught.value.hints == ("brew install it",)


@pytest.mark.parametrize(
    ("version", "mode", "message"),
    [
        ("client.authentication.k8s.io/v1alpha1", "Never", "apiVersion"),
        (V1, "", "needs an interactiveMode"),
        (V1, "Sometimes", "needs an interactiveMode"),
        (V1, "Always", "needs a terminal"),
    ],
)
def test_a_plugins_entry_is_checked_before_it_runs(
    plugin: Plugin, version: str, mode: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        made(User(exec=plugin.config(version, mode)))
    assert plugin.calls == []


@pytest.mark.parametrize(
    ("mode", "spec"),
    [
        ("Never", {"interactive": False}),
        ("IfAvailable", {"interactive": True}),
        ("Always", {"interactive": True}),
    ],
)
def test_a_plugin_gets_the_terminal_when_its_mode_allows(
    plugin: Plugin, mode: str, spec: dict[str, bool]
) -> None:
    own = made(User(exec=plugin.config(mode=mode)), interactive=True)
    assert isinstance(own, ExecPlugin)
    assert json.loads(own._environment()["KUBERNETES_EXEC_INFO"])["spec"] == spec


def accepting(token: str) -> Any:
    async def handle(exchange: Exchange) -> None:
        if exchange.headers.get("authorization") == f"Bearer {token}":
            await exchange.reply(200, {"gitVersion": "v1"})
        else:
            await exchange.reply(401, status(401, "Unauthorized", "Unauthorized"))

    return handle


def entry(plugin: Plugin) -> dict[str, Any]:
    return {"exec": {"command": str(plugin.path), "apiVersion": V1, "interactiveMode": "Never"}}


def test_a_refused_token_makes_the_plugin_run_again(plugin: Plugin) -> None:
    plugin.answers(token="stale")
    accept = accepting("good")

    async def handle(exchange: Exchange) -> None:
        plugin.answers(token="good")
        await accept(exchange)

    async def go() -> Server:
        async with serve(handle) as server:
            async with reached(kubeconfig({"server": server.url}, entry(plugin))) as kube:
                await kube.version()
            return server

    server = asyncio.run(go())
    assert [e.headers["authorization"] for e in server.requests] == ["Bearer stale", "Bearer good"]


def test_a_plugin_that_only_knows_a_refused_token_is_not_run_for_ever(plugin: Plugin) -> None:
    plugin.answers(token="stale")

    async def go() -> None:
        async with (
            serve(accepting("good")) as server,
            reached(kubeconfig({"server": server.url}, entry(plugin))) as kube,
        ):
            for _ in range(3):
                with pytest.raises(UnauthorizedError):
                    await kube.version()

    asyncio.run(go())
    assert len(plugin.calls) == 2


def test_a_token_that_the_server_refuses_is_not_shown() -> None:
    async def go() -> None:
        async with (
            serve(accepting("good")) as server,
            connected(server.url, token="s3cret") as kube,
        ):
            await kube.get(known.NODES, "n")

    with pytest.raises(UnauthorizedError) as caught:
        asyncio.run(go())
    assert "s3cret" not in f"{caught.value} {caught.value.hints} {caught.value!r}"
    assert "oc login" in caught.value.hints[0]
