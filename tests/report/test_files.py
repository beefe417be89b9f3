"""The road as files: order, names, and what stays out of sight."""

import base64
import stat
from pathlib import Path

import pytest
import yaml

from oc_gpu.kube.errors import UsageError
from oc_gpu.kube.resources import MACHINE_CONFIGS, NODES, SECRETS
from oc_gpu.report import files
from oc_gpu.stages.model import Apply, Milestone, ObjectRef, Patch, StagePlan

PEM = b"-----BEGIN PRIVATE KEY-----\nMIIEv\n-----END PRIVATE KEY-----\n"
ENCODED = base64.b64encode(b"# from the portal\n" + PEM).decode()
NAME = "50-entitlement-pem"
SOURCE = f"data:text/plain;charset=utf-8;base64,{ENCODED}"
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "entitlement"},
    "data": {"entitlement.pem": ENCODED},
}
CONFIG = {
    "kind": "MachineConfig",
    "metadata": {"name": NAME},
    "spec": {
        "files": [{"path": "/a", "source": f"data:text/plain;charset=utf-8;base64,{ENCODED}"}]
    },
}
PLANS = (
    StagePlan(
        "entitlement",
        "Entitlement",
        (
            Milestone("secret", (Apply(ObjectRef(SECRETS, "entitlement", "default"), SECRET),)),
            Milestone(
                "configs", (Apply(ObjectRef(MACHINE_CONFIGS, "50-entitlement-pem"), CONFIG),)
            ),
        ),
    ),
    StagePlan(
        "isolation",
        "Isolation",
        (
            Milestone(
                "taint",
                (
                    Patch(ObjectRef(NODES, "worker03"), {}, holds=False, why="takes the taint"),
                    Patch(ObjectRef(NODES, "worker04"), {}, holds=True, why="takes the taint"),
                ),
            ),
        ),
    ),
)
MADE = files.files(PLANS)


def test_files_are_numbered_in_the_order_of_the_road() -> None:
    assert [file.name for file in MADE] == [
        "01-entitlement-secret-entitlement.yaml",
        "02-entitlement-machineconfig-50-entitlement-pem.yaml",
    ]


def test_files_hold_everything_and_are_the_users_alone(tmp_path: Path) -> None:
    files.write(tmp_path / "out", MADE)
    written = sorted((tmp_path / "out").iterdir())
    assert [yaml.safe_load(path.read_text()) for path in written] == [SECRET, CONFIG]
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}


def test_folder_with_old_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text("old")
    with pytest.raises(UsageError, match="is not empty"):
        files.write(tmp_path, MADE)
    assert [path.name for path in tmp_path.iterdir()] == ["old.yaml"]


def test_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write to"):
        files.write(tmp_path / "file" / "out", MADE)


@pytest.mark.parametrize(
    "source", [f"data:;base64,{ENCODED}", "data:,%2D%2D%2D%2D%2DBEGIN%20KEY", PEM.decode()]
)
def test_keys_in_any_wrapping_stay_out_of_stdout(source: str) -> None:
    shown = files.without_secrets({"kind": "MachineConfig", "spec": {"a": [{"source": source}]}})
    assert shown["spec"] == {"a": [{"source": files.HIDDEN}]}


def test_stdout_is_a_stream_of_documents_without_keys() -> None:
    text = "".join(files.stdout_text(MADE))
    documents = list(yaml.safe_load_all(text))
    assert [document["kind"] for document in documents] == ["Secret", "MachineConfig"]
    assert documents[0]["data"] == {"entitlement.pem": files.HIDDEN}
    assert ENCODED not in text


@pytest.mark.parametrize("password", ["hunter2", "hun@ter2", "hun:ter2", ""])
def test_password_of_a_proxy_is_in_the_files_but_not_on_stdout(
    password: str, tmp_path: Path
) -> None:
    address = f"http://user:{password}@proxy.example.com:3128"
    policy = {"kind": "ClusterPolicy", "spec": {"env": [{"name": "HTTP_PROXY", "value": address}]}}
    file = files.File("01.yaml", policy)
    assert yaml.safe_load("".join(files.stdout_text([file])))["spec"]["env"] == [
        {"name": "HTTP_PROXY", "value": "http://***@proxy.example.com:3128"}
    ]
    files.write(tmp_path, [file])
    assert yaml.safe_load((tmp_path / "01.yaml").read_text()) == policy


def test_what_is_no_secret_is_shown_as_it_is() -> None:
    manifest = {"kind": "MachineConfig", "spec": {"source": "data:;base64,Cg==", "mode": 420}}
    assert files.without_secrets(manifest) == manifest


def test_changes_of_existing_objects_are_named_apart() -> None:
    assert files.patches(PLANS) == ("Node/worker03: takes the taint",)
