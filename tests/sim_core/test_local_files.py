"""What a pod's paths become on this machine, and what its ports answer."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.sim_core.harness import container, pod
from tests.sim_core.views import view

from oc_gpu.kube import RawObject
from oc_gpu.sim.hardware.model import View
from oc_gpu.sim.local_files import Place, lay_out
from oc_gpu.sim.local_probes import answers


def place(root: Path) -> Place:
    mounts = [{"name": "v", "mountPath": path} for path in ("/work", "/data/in")]
    made: RawObject = container("true", volumeMounts=mounts)
    return lay_out(root, pod("p", made, volumes=[{"name": "v", "emptyDir": {}}]), made, _view())


def _view(**fields: Any) -> View:
    return view("seed", "worker03", command=("true",), **fields)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/work", "ROOT/work"),
        ("--out=/work/a", "--out=ROOT/work/a"),
        ("cat /data/in/x >/work/y", "cat ROOT/data/in/x >ROOT/work/y"),
        ("/workshop /data/inner /x/work", "/workshop /data/inner /x/work"),
        ("https://work/x", "https://work/x"),
    ],
)
def test_only_mounted_paths_are_rewritten_in_a_text(
    text: str, expected: str, tmp_path: Path
) -> None:
    assert place(tmp_path).text(text) == expected.replace("ROOT", str(tmp_path))


def test_a_path_as_argument_is_below_the_root_and_cannot_leave_it(tmp_path: Path) -> None:
    here = place(tmp_path)
    words = here.command(["/usr/bin/python3", "/any/x.py", "/../../etc/passwd", "/dev/null", "-c"])
    inside = [f"{tmp_path}/any/x.py", f"{tmp_path}/etc/passwd"]
    assert words == [sys.executable, *inside, "/dev/null", "-c"]


def test_tar_runs_at_the_root_on_names_as_the_pod_knows_them(tmp_path: Path) -> None:
    here = place(tmp_path)
    words = ["tar", "cf", "-", "/work/a"]
    assert here.command(words) == ["tar", "cf", "-", "work/a"]
    assert here.folder(words) == str(tmp_path)


def test_a_volume_at_two_paths_is_one_folder_and_is_kept_over_a_restart(tmp_path: Path) -> None:
    place(tmp_path)
    (tmp_path / "work" / "a").write_text("kept")
    place(tmp_path)
    assert (tmp_path / "data" / "in" / "a").read_text() == "kept"


def test_cards_are_shown_to_pods_that_asked_for_them(tmp_path: Path) -> None:
    made = container("true")
    devices = _view().node.gpu_devices
    shown = lay_out(tmp_path, pod("p", made), made, _view(devices=devices)).environment
    hidden = lay_out(tmp_path, pod("p", made), made, _view()).environment
    assert shown["CUDA_VISIBLE_DEVICES"] == "0"
    assert hidden["CUDA_VISIBLE_DEVICES"] == ""


def test_probes_ask_ports_of_the_loopback() -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            line = await reader.readline()
            code = b"200 OK" if b" /good " in line else b"503 No"
            writer.write(b"HTTP/1.0 " + code + b"\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            assert await answers({"httpGet": {"port": "web", "path": "/good"}}, {"web": port})
            assert not await answers({"httpGet": {"port": port, "path": "/bad"}}, {})
            assert await answers({"tcpSocket": {"port": port}}, {})
            assert not await answers({"httpGet": {"port": "other"}}, {"web": port})
        assert not await answers({"tcpSocket": {"port": port}}, {})

    asyncio.run(main())
