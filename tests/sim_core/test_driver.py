"""The driver container: what it needs, and where it breaks."""

from typing import Any

import pytest
from tests.sim_core import entitlements as given
from tests.sim_core.views import PROXY_ENV, changed, gpu_of, view

from oc_gpu.sim.hardware.model import DRIVER, Outcome
from oc_gpu.sim.hardware.programs import behave
from oc_gpu.sim.scenario import Scenario

PORTAL = given.portal_file()
OLD_IMAGE = "nvcr.io/nvidia/driver:450.80.02-rhcos4.4"
NEW_IMAGE = "nvcr.io/nvidia/driver@sha256:" + "83" * 32
SIBLINGS = {"nvidia-driver-ctr": "", "openshift-driver-toolkit-ctr": ""}


def entitled(scenario: Scenario | str, **fields: Any) -> Outcome:
    defaults = {"env": PROXY_ENV, "files": given.mounted(PORTAL, PORTAL), "image": OLD_IMAGE}
    seen = view(
        scenario,
        "worker03",
        container="nvidia-driver-ctr",
        command=("nvidia-driver", "init"),
        **(defaults | fields),
    )
    return behave(seen)


def with_toolkit(scenario: Scenario | str, node: str = "gpu-h100-0", **fields: Any) -> Outcome:
    seen = view(
        scenario,
        node,
        container="nvidia-driver-ctr",
        image=NEW_IMAGE,
        command=("ocp_dtk_entrypoint", "nv-ctr-run-with-dtk"),
        **({"siblings": SIBLINGS} | fields),
    )
    return behave(seen)


def test_an_entitled_build_loads_the_driver_of_its_image() -> None:
    found = entitled("seed")
    assert found.exit_code is None
    assert found.starts.sets[DRIVER] == "450.80.02"
    assert any("4.18.0-193.29.1.el8_2.x86_64" in line for line in (*found.log, *found.ending))


def test_the_driver_is_gone_when_its_container_stops() -> None:
    found = entitled("seed")
    assert DRIVER not in found.stops.apply(found.starts.apply({}))


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"files": {}}, "RHEL entitlement may be improperly deployed"),
        ({"env": {}}, "Cannot download repomd.xml"),
    ],
)
def test_a_build_without_entitlement_or_proxy_fails(fields: dict[str, Any], line: str) -> None:
    found = entitled("seed", **fields)
    assert found.exit_code == 1
    assert any(line in text for text in (*found.log, *found.ending))
    assert not found.starts.sets


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({"secureBoot": True}, "Required key not available"),
        ({"nouveau": True}, "bound to nouveau"),
        ({"hostDriver": "440.100"}, "driver is in use"),
        ({"kernel": "4.18.0-193.99.9.el8_2.x86_64"}, "Unable to find a match: kernel-headers"),
    ],
)
def test_facts_of_the_machine_break_the_driver(facts: dict[str, Any], line: str) -> None:
    found = entitled(changed("seed", "worker03", **facts))
    assert found.exit_code == 1
    assert any(line in text for text in (*found.log, *found.ending))


def test_a_card_too_new_for_the_driver_is_refused() -> None:
    device = gpu_of(changed("seed"), "worker03")
    device["gpu"] |= {"product": "NVIDIA H100 PCIe", "architecture": "Hopper"}
    found = entitled(changed("seed", "worker03", pci=[device]))
    assert found.exit_code == 1
    assert any(
        "not supported by the NVIDIA 450.80.02" in line for line in (*found.log, *found.ending)
    )


def test_driver_toolkit_needs_neither_entitlement_nor_network() -> None:
    scenario = changed("ocp-4.20", network={"directInternet": False})
    found = with_toolkit(scenario)
    assert found.exit_code is None
    assert found.starts.sets[DRIVER] == "580.105.08"


def test_driver_toolkit_for_another_kernel_cannot_build() -> None:
    scenario = changed("ocp-4.20", "gpu-h100-0", kernel="5.14.0-570.99.1.el9_6.x86_64")
    found = with_toolkit(scenario)
    assert found.exit_code == 1
    assert any("570.99.1" in line for line in (*found.log, *found.ending))


def test_without_its_driver_toolkit_container_the_driver_cannot_build() -> None:
    assert with_toolkit("ocp-4.20", siblings={"nvidia-driver-ctr": ""}).exit_code == 1


def test_an_image_by_digest_holds_what_the_scenario_says() -> None:
    scenario = changed("ocp-4.20", images=[{"reference": NEW_IMAGE, "driver": "570.148.08"}])
    assert with_toolkit(scenario).starts.sets[DRIVER] == "570.148.08"
