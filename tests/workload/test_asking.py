"""What the user typed becomes a request, or one sentence."""

from pathlib import Path

import pytest

from oc_gpu.kube.errors import UsageError
from oc_gpu.workload import asking

DIGEST = "sha256:" + "0a" * 32


def test_a_python_script_travels_under_its_name_and_prints_at_once(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text("print(1)")
    found = asking.program(str(path), ("--epochs", "3"), "quay.io/a/b:1")
    assert found.command == ("python3", "/oc-gpu/script/train.py", "--epochs", "3")
    assert found.scripts == {"train.py": b"print(1)"}
    assert found.image == "quay.io/a/b:1"
    assert found.env == {"PYTHONUNBUFFERED": "1"}


def test_a_script_that_names_its_interpreter_runs_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "job"
    path.write_text("#!/usr/bin/perl\n")
    assert asking.program(str(path), ()).command == ("/oc-gpu/script/job",)


@pytest.mark.parametrize(
    "image",
    [
        "busybox",
        "quay.io/team/model:1",
        "localhost:5000/a/b",
        f"nvcr.io/nvidia/pytorch@{DIGEST}",
        "image-registry.openshift-image-registry.svc:5000/me/it_works__fine:v1.0-rc.2",
    ],
)
def test_an_image_is_taken_as_it_is(image: str) -> None:
    found = asking.program(image, ("nvidia-smi", "-L"))
    assert (found.image, found.command, found.scripts) == (image, ("nvidia-smi", "-L"), {})


@pytest.mark.parametrize("target", ["Upper/case", "a b", "quay.io/a:", "a@sha256:12", ""])
def test_what_is_neither_is_refused(target: str) -> None:
    with pytest.raises(UsageError, match="neither a file here nor an image"):
        asking.program(target, ())


@pytest.mark.parametrize("target", ["nowhere.py", "./nowhere", "/nowhere/x", "~/nowhere-at-all"])
def test_a_missing_script_is_no_image(target: str) -> None:
    with pytest.raises(UsageError, match="cannot be read: no such file"):
        asking.program(target, ())


def test_a_folder_is_no_script(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: is a directory"):
        asking.program(str(tmp_path), ())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0", {"nvidia.com/gpu": 0}),
        ("2", {"nvidia.com/gpu": 2}),
        ("mig-1g.5gb", {"nvidia.com/mig-1g.5gb": 1}),
        ("nvidia.com/mig-1g.10gb.me", {"nvidia.com/mig-1g.10gb.me": 1}),
        ("gpu.shared", {"nvidia.com/gpu.shared": 1}),
    ],
)
def test_gpus_are_a_number_or_a_part(text: str, found: dict[str, int]) -> None:
    assert asking.gpus(text) == found


@pytest.mark.parametrize("text", ["-1", "1.5", "all", "mig", "mig-", "", "²"])
def test_other_gpus_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="neither a number nor a part"):
        asking.gpus(text)


def test_variables_are_given_or_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "there")
    assert asking.variables(["A=1=2", "HERE", "EMPTY="]) == {
        "A": "1=2",
        "HERE": "there",
        "EMPTY": "",
    }


def test_labels_may_stand_together_or_apart() -> None:
    found = asking.selector(["a=1,nvidia.com/gpu.product=A100", "b="])
    assert found == {"a": "1", "nvidia.com/gpu.product": "A100", "b": ""}


@pytest.mark.parametrize("text", ["a", "=b", "a=b c", "-a=b", "a=-b", "a=b,", "a in (b)"])
def test_other_selectors_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="needs KEY=VALUE"):
        asking.selector([text])


@pytest.mark.parametrize("title", ["Train_me.py", "quay.io/a/b:1@sha256:00", "-.-.sh", "x" * 300])
def test_names_of_jobs_fit_and_differ(title: str) -> None:
    names = {asking.job_name(title) for _ in range(5)}
    assert len(names) == 5
    for name in names:
        assert len(name) <= 63
        assert name.replace("-", "").isalnum()
        assert "--" not in name
