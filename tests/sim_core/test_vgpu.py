"""Virtual GPUs: the guest driver, its private registry, the licence and what comes without it."""

import base64
import json

import msgspec
import pytest
from tests.sim_core.views import view

from oc_gpu.checks.smi import parse_xml
from oc_gpu.sim.actors.node.files import logins_of
from oc_gpu.sim.hardware import driver, shell, smi
from oc_gpu.sim.hardware.features import Cards, discovery_labels
from oc_gpu.sim.hardware.images import driver_in, pull_problem
from oc_gpu.sim.hardware.model import DRIVER, LICENCE, LICENSED, TOOLKIT, View
from oc_gpu.sim.scenario import load

SCENARIO = load("vgpu-4.16")
NODE = "gpu-a10-0"
GUEST = "registry.example.com/nvidia/vgpu-guest-driver:550.90.07-rhcos4.16"
WHOLE = "nvcr.io/nvidia/driver:550.90.07-rhcos4.16"
TOKEN = "/drivers/ClientConfigToken/client_configuration_token.tok"  # a path


def seen(
    image: str = GUEST,
    files: dict[str, bytes] | None = None,
    host: dict[str, str] | None = None,
) -> View:
    """Return what the driver's container sees."""
    state = {TOOLKIT: "running", **(host or {})}
    name = "nvidia-driver-ctr"
    return view(SCENARIO, NODE, host=state, container=name, image=image, files=files or {})


@pytest.mark.parametrize(("image", "fits"), [(GUEST, True), (WHOLE, False)])
def test_only_the_guest_driver_drives_a_virtual_gpu(image: str, *, fits: bool) -> None:
    problem = driver.load_problem(seen(image), driver_in(SCENARIO, image))
    assert (problem == ()) is fits
    if not fits:
        assert "installed in this system is not supported by the NVIDIA 550.90.07" in problem[0]


def test_the_registry_wants_the_login_of_a_pull_secret() -> None:
    told = pull_problem(SCENARIO, GUEST)
    assert told is not None
    assert "unauthorized" in told
    assert pull_problem(SCENARIO, GUEST, {"registry.example.com"}) is None


def test_logins_are_those_of_the_secrets_that_a_pod_names() -> None:
    def secret(text: str) -> dict[str, object]:
        encoded = base64.b64encode(text.encode()).decode()
        return {"kind": "Secret", "data": {".dockerconfigjson": encoded}}

    sources = {
        ("Secret", "good"): secret(json.dumps({"auths": {"registry.example.com": {}}})),
        ("Secret", "broken"): secret("{"),
        ("Secret", "other"): secret("[]"),
    }
    names = ("good", "broken", "other", "absent")
    pod = {"spec": {"imagePullSecrets": [{"name": name} for name in names]}}
    assert logins_of(pod, sources) == {"registry.example.com"}
    assert logins_of({"spec": {}}, sources) == frozenset()


@pytest.mark.parametrize(
    ("token", "reachable", "licensed"),
    [(b"a.b.c", True, True), (b"a.b.c", False, False), (b"", True, False), (b"none", True, False)],
)
def test_a_licence_comes_by_a_token_from_servers_that_answer(
    token: bytes, *, reachable: bool, licensed: bool
) -> None:
    licensing = msgspec.structs.replace(SCENARIO.licensing, reachable=reachable)
    here = msgspec.structs.replace(SCENARIO, licensing=licensing)
    given = msgspec.structs.replace(seen(files={TOKEN: token}), scenario=here)
    state, words = driver._licensed(given)
    assert (state[LICENCE] == LICENSED) is licensed
    assert token.decode() not in words or not token


@pytest.mark.parametrize(("state", "told"), [(LICENSED, "Licensed"), ("0", "Unlicensed")])
def test_nvidia_smi_tells_of_the_licence(state: str, told: str) -> None:
    text = smi.run(seen(host={DRIVER: "550.90.07", LICENCE: state}), ["-q", "-x"]).out
    (card,) = parse_xml(text).cards
    assert card.name == "NVIDIA A10-24Q"
    assert card.licence.startswith(told)


def test_without_licence_cuda_works_for_a_while_and_is_then_refused() -> None:
    since = str(seen().now)
    fresh = seen(host={DRIVER: "550.90.07", LICENCE: since})
    assert "Test PASSED" in shell.vector_add(fresh).out
    later = msgspec.structs.replace(fresh, now=fresh.now + 1201)
    refused = shell.vector_add(later)
    assert refused.code == 1
    assert "all CUDA-capable devices are busy or unavailable" in refused.out
    licensed = seen(host={DRIVER: "550.90.07", LICENCE: LICENSED})
    late = msgspec.structs.replace(licensed, now=licensed.now + 1201)
    assert "Test PASSED" in shell.vector_add(late).out


def test_labels_tell_of_the_hypervisor() -> None:
    node = SCENARIO.node(NODE)
    assert node is not None
    labels = discovery_labels(SCENARIO, node, Cards("550.90.07"), stamp=1, extended=True)
    assert labels["nvidia.com/vgpu.present"] == "true"
    assert labels["nvidia.com/vgpu.host-driver-version"] == "550.90.05"
