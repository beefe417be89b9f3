"""Kubeconfig files: where they are looked for, how they are merged, what is wrong with them."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from oc_gpu.kube import ConfigError
from oc_gpu.kube.kubeconfig import Access, Cluster, Context, Kubeconfig, User, choose, load, merge
from oc_gpu.kube.yamlfile import YamlError, parse


def write(path: Path, **parts: Any) -> Path:
    """Write a kubeconfig: maps of name to entry, and the current context."""
    document: dict[str, Any] = {"apiVersion": "v1", "kind": "Config"}
    for plural, entries in parts.items():
        if plural == "current":
            document["current-context"] = entries
        else:
            singular = plural.removesuffix("s")
            document[plural] = [{"name": n, singular: entry} for n, entry in entries.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document))
    return path


def cluster(url: str) -> dict[str, Any]:
    return {"server": url}


def test_an_explicit_file_stands_alone(tmp_path: Path) -> None:
    own = write(tmp_path / "own", clusters={"a": cluster("https://own")})
    other = write(tmp_path / "other", clusters={"b": cluster("https://other")})
    found = load(str(own), {"KUBECONFIG": str(other)})
    assert list(found.clusters) == ["a"]


def test_an_explicit_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read kubeconfig .*missing: No such file"):
        load(str(tmp_path / "missing"), {})


def test_the_first_file_of_the_list_wins_and_entries_are_not_mixed(tmp_path: Path) -> None:
    first = write(
        tmp_path / "a",
        clusters={"red": cluster("https://first")},
        users={"u": {"token": "one"}},
        contexts={"c": {"cluster": "red", "user": "u"}},
    )
    second = write(
        tmp_path / "b",
        clusters={
            "red": {**cluster("https://second"), "tls-server-name": "x"},
            "blue": cluster("https://blue"),
        },
        users={"u": {"token": "two", "username": "extra"}},
        contexts={"c": {"cluster": "blue", "user": "u", "namespace": "ns"}},
        current="c",
    )
    found = load(None, {"KUBECONFIG": f"{first}{os.pathsep}{second}"})
    assert found.clusters["red"] == Cluster(server="https://first")
    assert found.clusters["blue"].server == "https://blue"
    assert found.users["u"] == User(token="one")
    assert found.contexts["c"] == Context("red", "u")
    assert found.current_context == "c"


def test_missing_files_of_the_list_are_skipped(tmp_path: Path) -> None:
    there = write(tmp_path / "there", clusters={"a": cluster("https://a")})
    paths = [str(tmp_path / "gone"), "", str(there), str(there)]
    assert list(load(None, {"KUBECONFIG": os.pathsep.join(paths)}).clusters) == ["a"]


def test_without_the_variable_the_home_directory_is_looked_in(tmp_path: Path) -> None:
    write(tmp_path / ".kube" / "config", clusters={"a": cluster("https://a")})
    assert list(load(None, {"HOME": str(tmp_path)}).clusters) == ["a"]
    empty = load(None, {"HOME": str(tmp_path / "nobody")})
    assert empty.empty
    assert empty.searched == (str(tmp_path / "nobody" / ".kube" / "config"),)


def test_relative_paths_start_at_their_own_file(tmp_path: Path) -> None:
    first = write(
        tmp_path / "one" / "config", clusters={"a": {"server": "s", "certificate-authority": "ca"}}
    )
    second = write(
        tmp_path / "two" / "config",
        users={
            "u": {"client-certificate": "c.pem", "client-key": "/abs/k.pem", "tokenFile": "t"},
            "v": {"exec": {"command": "./login", "apiVersion": "x"}},
            "w": {"exec": {"command": "login", "apiVersion": "x"}},
        },
    )
    found = load(None, {"KUBECONFIG": f"{first}{os.pathsep}{second}"})
    assert found.clusters["a"].certificate_authority == str(tmp_path / "one" / "ca")
    user = found.users["u"]
    assert user.client_certificate == str(tmp_path / "two" / "c.pem")
    assert user.client_key == "/abs/k.pem"
    assert user.token_file == str(tmp_path / "two" / "t")
    plugins = [found.users[name].exec for name in ("v", "w")]
    assert [plugin and plugin.command for plugin in plugins] == [
        str(tmp_path / "two" / "login"),
        "login",
    ]


def test_json_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(json.dumps({"clusters": [{"name": "a", "cluster": {"server": "s"}}]}))
    assert load(str(path), {}).clusters == {"a": Cluster(server="s")}


def test_an_empty_file_is_an_empty_kubeconfig(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("")
    assert load(str(path), {}).empty


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("token: [s3cret", "is not YAML: line 2, column 1"),
        ("a: \x00s3cret", "is not YAML: it holds characters"),
        ("- s3cret", "is not valid: must be a mapping, not a list"),
        ("-----BEGIN s3cret-----", "is not valid: must be a mapping, not text"),
        (
            "users: [{name: u, user: {token: [s3cret]}}]",
            r"is not valid: users\[0\].user.token: must be text or empty, not a list",
        ),
        ("clusters: [{name: a}, {name: a}]", "the name 'a' is used twice"),
    ],
)
def test_a_broken_file_is_named_and_not_quoted(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load(str(path), {})
    assert str(path) in str(caught.value)
    assert "s3cret" not in f"{caught.value} {caught.value.hints}"
    assert caught.value.exit_code == 2


def test_a_directory_in_place_of_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        load(None, {"KUBECONFIG": str(tmp_path)})


FULL = Kubeconfig(
    "c",
    {"k": Cluster(server="https://k")},
    {"u": User(token="s3cret")},
    {
        "c": Context("k", "u", "ns"),
        "anonymous": Context("k"),
        "d": Context("gone", "u"),
        "e": Context("k", "gone"),
    },
    ("/a", "/b"),
)


def test_a_context_names_cluster_user_and_namespace() -> None:
    assert choose(FULL, None) == Access(
        Cluster(server="https://k"), User(token="s3cret"), "u", "c", "ns"
    )
    assert choose(FULL, "anonymous").user == User()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x", "there is no context 'x' in the kubeconfig"),
        ("d", "names the cluster 'gone', which has no server"),
        ("e", "names the user 'gone', who is not in the kubeconfig"),
    ],
)
def test_a_wrong_context_is_told_with_those_there_are(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        choose(FULL, name)
    assert caught.value.hints[0] == "contexts in /a, /b: anonymous, c, d, e"


def test_no_current_context_is_told_too() -> None:
    with pytest.raises(ConfigError, match="no current context") as caught:
        choose(Kubeconfig(searched=("/a",)), None)
    assert "oc login" in caught.value.hints[0]


def test_printing_a_kubeconfig_shows_no_secrets() -> None:
    assert "s3cret" not in repr((FULL, FULL.users, choose(FULL, None)))


def test_times_stay_text_and_only_true_and_false_are_booleans() -> None:
    text = b"a: 2026-11-24\nb: yes\nc: on\nd: true\ne: False\nf: 12\ng: ~\nh: 2026-11-24T00:00:00Z"
    assert parse(text) == {
        "a": "2026-11-24",
        "b": "yes",
        "c": "on",
        "d": True,
        "e": False,
        "f": 12,
        "g": None,
        "h": "2026-11-24T00:00:00Z",
    }


def test_objects_cannot_be_made_from_yaml() -> None:
    with pytest.raises(YamlError):
        parse(b"!!python/object/apply:os.system ['true']")


names = st.sampled_from(["a", "b", "c"])
configs = st.builds(
    Kubeconfig,
    st.sampled_from(["", "a", "b"]),
    st.dictionaries(names, st.builds(Cluster, server=st.sampled_from(["s", "t"]))),
    st.dictionaries(names, st.builds(User, token=st.sampled_from(["x", "y"]))),
    st.dictionaries(names, st.builds(Context, cluster=names, user=names)),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(configs, max_size=4))
def test_merging_takes_every_value_from_the_first_file_that_has_it(files: list[Kubeconfig]) -> None:
    merged = merge(files)
    for part in ("clusters", "users", "contexts"):
        expected: dict[str, Any] = {}
        for file in files:
            for name, entry in getattr(file, part).items():
                expected.setdefault(name, entry)
        assert getattr(merged, part) == expected
    currents = [file.current_context for file in files if file.current_context]
    assert merged.current_context == (currents[0] if currents else "")


@settings(max_examples=50, deadline=None)
@given(configs, configs, configs)
def test_merging_does_not_depend_on_grouping(a: Kubeconfig, b: Kubeconfig, c: Kubeconfig) -> None:
    assert merge([merge([a, b]), c]) == merge([a, merge([b, c])])


@pytest.mark.kubectl
@pytest.mark.skipif(not shutil.which("kubectl"), reason="needs the kubectl program")
def test_kubectl_merges_the_same_way(tmp_path: Path) -> None:
    first = write(
        tmp_path / "a",
        clusters={"red": cluster("https://first")},
        users={"u": {"token": "one"}},
        current="late",
    )
    second = write(
        tmp_path / "b",
        clusters={"red": {**cluster("https://second"), "tls-server-name": "x"}},
        users={"u": {"token": "two", "username": "extra"}, "v": {"token": "three"}},
        contexts={"late": {"cluster": "red", "user": "u", "namespace": "ns"}},
        current="other",
    )
    environ = {"KUBECONFIG": f"{first}{os.pathsep}{tmp_path / 'gone'}{os.pathsep}{second}"}
    shown = subprocess.run(
        ["kubectl", "config", "view", "--raw", "-o", "json"],
        env={**os.environ, **environ},
        capture_output=True,
        check=True,
    )
    view = json.loads(shown.stdout)
    ours = load(None, environ)
    assert ours.current_context == view["current-context"]
    assert {u["name"]: u["user"].get("token") for u in view["users"]} == {
        name: user.token for name, user in ours.users.items()
    }
    servers = {c["name"]: c["cluster"]["server"] for c in view["clusters"]}
    assert servers == {name: entry.server for name, entry in ours.clusters.items()}
    assert {c["name"]: c["context"].get("namespace") for c in view["contexts"]} == {
        name: entry.namespace for name, entry in ours.contexts.items()
    }
