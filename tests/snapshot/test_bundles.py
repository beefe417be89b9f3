"""Bundles are read where they can be, and nothing in one can do harm."""

import gzip
import io
import lzma
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oc_gpu.checks.case import Case
from oc_gpu.checks.doctor import diagnose
from oc_gpu.snapshot.bundle import archives, files, open_bundle
from oc_gpu.snapshot.bundle.documents import parse
from oc_gpu.snapshot.bundle.errors import BundleError
from oc_gpu.snapshot.bundle.layout import place
from oc_gpu.snapshot.texts import Text

POD = """apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: NAME, namespace: gpu, labels: {app: nvidia-driver-daemonset, pod: "08"}}
  spec: {nodeName: gpu-0, containers: [{name: nvidia-driver-ctr, image: "nvidia/driver:1"}]}
  status:
    phase: Running
    containerStatuses:
    - {name: nvidia-driver-ctr, ready: false, state: {waiting: {reason: CrashLoopBackOff}}}
kind: PodList
"""
NODE = """apiVersion: v1
kind: Node
metadata:
  name: gpu-0
  labels:
    feature.node.kubernetes.io/pci-10de.present: "true"
    leading: 08
"""
REFUSED = "modprobe: ERROR: could not insert 'nvidia': Required key not available\n"
LOG = "namespaces/gpu/pods/driver-1/nvidia-driver-ctr/nvidia-driver-ctr/logs/current.log"
TREE = {
    "namespaces/gpu/core/pods.yaml": POD.replace("NAME", "driver-1"),
    "cluster-scoped-resources/core/nodes/gpu-0.yaml": NODE,
    LOG: "2026-01-01T00:00:00.000000000Z " + REFUSED,
    "timestamp": "2026-01-01 09:00:00.1 +0000 UTC\n",
}


Mode = Literal["w", "w:gz", "w:xz"]


def _folder(root: Path, tree: dict[str, str], inner: str = "") -> Path:
    for path, text in tree.items():
        file = root / inner / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def _tar(
    path: Path,
    mode: Literal["w", "w:gz", "w:xz"],
    tree: dict[str, str],
    inner: str = "a/quay-io-image",
) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, text in tree.items():
            member = tarfile.TarInfo(f"{inner}/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def _causes(path: Path) -> tuple[list[str | None], tuple[str, ...]]:
    with open_bundle(path) as bundle:
        found = diagnose(Case(bundle.snapshot))
        return [one.cause for one in found], bundle.notes


class TestForms:
    def test_a_tree_of_inspect(self, tmp_path: Path) -> None:
        assert _causes(_folder(tmp_path, TREE))[0][0] == "secure-boot-enabled"

    def test_a_must_gather_with_a_folder_for_each_image(self, tmp_path: Path) -> None:
        _folder(
            tmp_path, {"namespaces/b/b.yaml": "kind: Namespace\nmetadata: {name: b}\n"}, "x/one"
        )
        assert _causes(_folder(tmp_path, TREE, "x/two"))[0][0] == "secure-boot-enabled"

    @pytest.mark.parametrize(
        ("name", "mode"),
        [("b.tar", "w"), ("b.tar.gz", "w:gz"), ("b.tgz", "w:gz"), ("b.tar.xz", "w:xz")],
    )
    def test_archives(self, tmp_path: Path, name: str, mode: Mode) -> None:
        assert _causes(_tar(tmp_path / name, mode, TREE))[0][0] == "secure-boot-enabled"

    def test_a_zip_with_a_tar_in_it(self, tmp_path: Path) -> None:
        inner = _tar(tmp_path / "inner.tar.gz", "w:gz", TREE)
        with zipfile.ZipFile(tmp_path / "case.zip", "w") as archive:
            archive.write(inner, "files/must-gather.tar.gz")
        assert _causes(tmp_path / "case.zip")[0][0] == "secure-boot-enabled"

    def test_rotated_and_gzipped_logs(self, tmp_path: Path) -> None:
        made = _folder(tmp_path, {k: v for k, v in TREE.items() if k != LOG})
        packed = made / Path(LOG).parent / "rotated" / "0.log.20260101-000000.gz"
        packed.parent.mkdir(parents=True)
        packed.write_bytes(gzip.compress(REFUSED.encode()))
        assert _causes(made)[0][0] == "secure-boot-enabled"

    def test_the_flat_folder_of_the_gpu_operator(self, tmp_path: Path) -> None:
        describe = (
            "Name:               gpu-0\nRoles:              worker\n"
            "Labels:             feature.node.kubernetes.io/pci-10de.present=true\n"
            "                    nvidia.com/gpu.present=true\n"
            "Taints:             nvidia.com/gpu=present:NoSchedule\n"
            "                    team=ml:NoExecute\n"
            "Unschedulable:      false\n"
            "Capacity:\n  cpu:  8\nAllocatable:\n  cpu:  8\n"
            "System Info:\n  Kernel Version:  5.14.0\n  OS Image:  Ubuntu 22.04\n"
        )
        tree = {
            "gpu_operand_pods.yaml": POD.replace("NAME", "driver-1"),
            "gpu_operand_pod_driver-1.log": "[pod/driver-1/nvidia-driver-ctr] " + REFUSED,
            "gpu_nodes.descr": describe,
        }
        made = _folder(tmp_path, tree)
        assert _causes(made)[0][0] == "secure-boot-enabled"
        with open_bundle(made) as bundle:
            (node,) = bundle.snapshot.nodes
            assert [t.key for t in node.spec.taints] == ["nvidia.com/gpu", "team"]
            assert node.status.node_info.kernel_version == "5.14.0"

    def test_one_nvidia_bug_report(self, tmp_path: Path) -> None:
        report = tmp_path / "nvidia-bug-report_gpu-0.log.gz"
        report.write_bytes(gzip.compress(b"NVRM: Xid (PCI:0000:01:00): 79, fallen off the bus\n"))
        assert _causes(report)[0] == ["gpu-fallen-off-bus"]

    def test_numbers_with_leading_zeros_stay_text(self, tmp_path: Path) -> None:
        with open_bundle(_folder(tmp_path, TREE)) as bundle:
            assert bundle.snapshot.nodes[0].metadata.labels["leading"] == "08"

    def test_what_is_not_there_is_unread_and_not_empty(self, tmp_path: Path) -> None:
        with open_bundle(_folder(tmp_path, TREE)) as bundle:
            assert not bundle.snapshot.known("subscriptions")
            assert bundle.snapshot.known("pods")

    def test_nothing_is_parsed_that_nobody_asks_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read: list[str] = []
        whole = files.whole

        def noted(file: files.File, notes: files.Notes) -> bytes:
            read.append(file.path)
            return whole(file, notes)

        monkeypatch.setattr("oc_gpu.snapshot.bundle.documents.whole", noted)
        with open_bundle(_folder(tmp_path, TREE)) as bundle:
            assert read == []
            assert len(bundle.snapshot.nodes) == 1
            assert read == ["cluster-scoped-resources/core/nodes/gpu-0.yaml"]


class TestRefusals:
    def test_nothing_of_a_cluster_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "holiday.jpg").write_bytes(b"\xff\xd8")
        with pytest.raises(BundleError, match="nothing of a cluster"):
            open_bundle(tmp_path)

    def test_a_path_that_does_not_exist_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match="no such file"):
            open_bundle(tmp_path / "gone")

    def test_members_that_lead_out_links_and_devices_are_left_out(self, tmp_path: Path) -> None:
        path = tmp_path / "evil.tar"
        target = tmp_path / "outside"
        with tarfile.open(path, "w") as archive:
            for name in ("../outside/namespaces/a/a.yaml", "/namespaces/a/a.yaml"):
                member = tarfile.TarInfo(name)
                member.size = 1
                archive.addfile(member, io.BytesIO(b"x"))
            link = tarfile.TarInfo("namespaces/gpu/core/events.yaml")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
            device = tarfile.TarInfo("namespaces/gpu/core/secrets.yaml")
            device.type = tarfile.CHRTYPE
            archive.addfile(device)
            for name, text in TREE.items():
                good = tarfile.TarInfo(name)
                good.size = len(text)
                archive.addfile(good, io.BytesIO(text.encode()))
        causes, notes = _causes(path)
        assert causes[0] == "secure-boot-enabled"
        assert not target.exists()
        assert any("leads out" in note for note in notes)
        assert any("links and devices" in note for note in notes)

    def test_links_in_a_folder_are_not_followed(self, tmp_path: Path) -> None:
        made = _folder(tmp_path / "b", TREE)
        secret = tmp_path / "secret.yaml"
        secret.write_text(POD.replace("NAME", "stolen"))
        (made / "namespaces" / "gpu" / "core" / "events.yaml").symlink_to(secret)
        (made / "cluster-scoped-resources" / "loop").symlink_to(made)
        os.mkfifo(made / "namespaces" / "pipe")
        causes, notes = _causes(made)
        assert causes[0] == "secure-boot-enabled"
        assert sum("no regular file" in note for note in notes) == 3

    def test_a_bomb_is_stopped_at_the_limit(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(archives, "RATIO_FROM", 1 << 20)
        tree = TREE | {"namespaces/gpu/core/events.yaml": "0" * (8 << 20)}
        path = _tar(tmp_path / "bomb.tar.xz", "w:xz", tree)
        causes, notes = _causes(path)
        assert causes[0] == "secure-boot-enabled"
        assert any("times its size" in note for note in notes)

    def test_more_than_three_archives_in_each_other_are_left(self, tmp_path: Path) -> None:
        path = _tar(tmp_path / "0.tar", "w", TREE)
        for number in range(1, 5):
            outer = tmp_path / f"{number}.tar"
            with tarfile.open(outer, "w") as archive:
                archive.add(path, f"{number - 1}.tar")
            path = outer
        with pytest.raises(BundleError):
            open_bundle(path)

    @pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
    def test_a_truncated_archive_is_read_up_to_there(self, tmp_path: Path, keep: float) -> None:
        noise = {f"namespaces/n{n}/core/pods.yaml": os.urandom(400).hex() for n in range(40)}
        whole = _tar(tmp_path / "w.tar.gz", "w:gz", TREE | noise).read_bytes()
        path = tmp_path / "cut.tar.gz"
        path.write_bytes(whole[: int(len(whole) * keep)])
        causes, notes = _causes(path)
        assert causes[0] == "secure-boot-enabled"
        assert any("cut off" in note for note in notes)

    def test_broken_yaml_and_invalid_utf8_are_read_around(self, tmp_path: Path) -> None:
        made = _folder(tmp_path, TREE)
        (made / "namespaces/gpu/apps").mkdir()
        (made / "namespaces/gpu/apps/daemonsets.yaml").write_text("items: [}\n")
        (made / LOG).write_bytes(b"\xff\xfe\x00 " + REFUSED.encode())
        causes, notes = _causes(made)
        assert causes[0] == "secure-boot-enabled"
        assert any("broken YAML" in note for note in notes)

    def test_anchors_do_not_stand_for_gigabytes(self) -> None:
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
        with pytest.raises(ValueError, match="too much"):
            parse("\n".join(lines).encode())

    def test_the_private_folder_is_gone_in_the_end(self, tmp_path: Path) -> None:
        bundle = open_bundle(_tar(tmp_path / "b.tar", "w", TREE))
        folder = bundle._folder
        assert folder.stat().st_mode & 0o077 == 0
        bundle.close()
        assert not folder.exists()


class TestTexts:
    def test_a_long_log_keeps_each_line_once_with_its_number(self) -> None:
        lines = [f"2026-01-01T00:00:{n % 60:02} tick {n}" for n in range(20_000)]
        lines[15_000] = "Required key not available"
        text = Text.of("\n".join(lines).encode())
        assert len(text) < 100
        assert [line.number for line in text.find(("required key",))] == [15_001]

    def test_the_tail_of_a_huge_log_has_the_numbers_of_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(files, "TAIL", 4096)
        monkeypatch.setattr(files, "HEAD", 1024)
        lines = [f"line {n:06}" for n in range(1, 5001)]
        lines[4990] = "Required key not available"
        for name, content in (
            ("a.log", "\n".join(lines).encode()),
            ("a.log.gz", gzip.compress("\n".join(lines).encode())),
            ("a.log.xz", lzma.compress("\n".join(lines).encode())),
        ):
            path = tmp_path / name
            path.write_bytes(content)
            parts = files.ends(files.File(name, path), files.Notes())
            texts = [Text.of(part.raw, part.first) for part in parts]
            hits = [line.number for text in texts for line in text.find(("required key",))]
            assert hits == [4991]

    @given(st.lists(st.text(alphabet="ab *", max_size=8), max_size=20), st.text("ab", min_size=1))
    def test_a_phrase_is_found_where_a_plain_search_finds_it(
        self, lines: list[str], word: str
    ) -> None:
        text = Text.of("\n".join(lines).encode())
        wanted = [n for n, line in enumerate("\n".join(lines).splitlines(), 1) if word in line]
        assert [line.number for line in text.find((word,))] == wanted


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=400), st.sampled_from(sorted(TREE)))
def test_any_bytes_in_any_file_are_survived(tmp_path: Path, noise: bytes, victim: str) -> None:
    made = _folder(tmp_path, TREE)
    (made / victim).write_bytes(noise)
    _causes(made)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(0, 4000), st.binary(min_size=1, max_size=8), st.sampled_from(["w:gz", "w", "w:xz"])
)
def test_any_damage_to_an_archive_is_survived(
    tmp_path: Path, at: int, noise: bytes, mode: Mode
) -> None:
    path = _tar(tmp_path / "b.tar", mode, TREE)
    raw = bytearray(path.read_bytes())
    at %= len(raw)
    raw[at : at + len(noise)] = noise
    path.write_bytes(raw)
    try:
        _causes(path)
    except BundleError as error:
        assert error.hints  # noqa: PT017  (either it is read, or the refusal helps)


@given(st.text(alphabet="abn/.-_0", max_size=60))
def test_any_path_has_a_place_or_none(path: str) -> None:
    found = place(path)
    assert found is None or found.role
