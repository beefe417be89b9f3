"""nvidia-smi in all its forms, derived from facts."""

import csv
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from tests.sim_core.views import changed, gpu_of, view

from oc_gpu.sim.hardware import smi
from oc_gpu.sim.hardware.model import DRIVER, TOOLKIT
from oc_gpu.sim.hardware.smi import Answer
from oc_gpu.sim.scenario import Scenario

BANNER = re.compile(
    r"NVIDIA-SMI\s+(\S+)\s+(?:Driver|KMD) Version:\s*(\S+)\s+CUDA (?:UMD )?Version:\s*(\S+)"
)
SEED_ROWS = """\
|   0  Tesla T4            On   | 00000000:13:00.0 Off |                    0 |
| N/A   55C    P8    17W /  70W |      0MiB / 15109MiB |      0%      Default |
|                               |                      |                  N/A |"""


def run(scenario: Scenario | str, node: str, driver: str, *words: str, **fields: Any) -> Answer:
    host = {DRIVER: driver, TOOLKIT: "running"}
    seen = view(scenario, node, host=host, **({"container": "nvidia-driver-ctr"} | fields))
    return smi.run(seen, words)


def test_the_table_of_the_seed_shows_the_walk_through_values() -> None:
    table = run("seed", "worker03", "450.80.02").out
    found = BANNER.search(table)
    assert found is not None
    assert found.groups() == ("450.80.02", "450.80.02", "11.0")
    assert SEED_ROWS in table
    assert "No running processes found" in table


@pytest.mark.parametrize(
    ("driver", "width", "cuda", "rule"),
    [
        ("440.64.00", 79, "10.2", "|---"),
        ("525.60.13", 79, "12.0", "|---"),
        ("535.104.05", 89, "12.2", "|---"),
        ("545.23.08", 89, "12.2", "|---"),
        ("550.54.15", 91, "12.4", "|---"),
        ("580.105.08", 91, "13.0", "+---"),
        ("610.10.01", 91, "13.3", "+---"),
    ],
)
def test_the_table_has_the_width_of_its_branch(
    driver: str, width: int, cuda: str, rule: str
) -> None:
    lines = run("seed", "worker03", driver).out.splitlines()[1:]
    assert {len(line) for line in lines} == {width}
    assert lines[2].startswith(rule)
    banner = BANNER.search(lines[1])
    assert banner is not None
    assert banner[3] == cuda


def test_every_card_of_a_node_has_its_rows() -> None:
    table = run("ocp-4.20", "gpu-a100-0", "580.105.08").out
    assert table.count("NVIDIA A100 80GB PCIe") == 2
    assert "00000000:41:00.0" in table
    assert "00000000:81:00.0" in table


@pytest.mark.parametrize(
    ("driver", "dtd", "power"),
    [
        ("440.64.00", "v10", "power_readings/power_draw"),
        ("470.82.01", "v11", "power_readings/power_draw"),
        ("535.104.05", "v12", "gpu_power_readings/power_draw"),
        ("580.105.08", "v13", "gpu_power_readings/instant_power_draw"),
    ],
)
def test_the_xml_document_has_the_type_of_its_branch(driver: str, dtd: str, power: str) -> None:
    text = run("seed", "worker03", driver, "-q", "-x").out
    assert f"nvsmi_device_{dtd}.dtd" in text
    root = ET.fromstring(re.sub(r"<!DOCTYPE[^>]*>", "", text))  # noqa: S314  # our own text
    assert root.findtext("driver_version") == driver
    assert root.findtext("attached_gpus") == "1"
    assert root.findtext("gpu/product_name") == "Tesla T4"
    assert root.findtext("gpu/fb_memory_usage/total") == "15109 MiB"
    assert root.findtext(f"gpu/{power}") == "17.00 W"
    assert root.findtext("gpu/pci/pci_device_id") == "1EB810DE"


def test_csv_answers_what_was_asked_in_the_form_that_was_asked() -> None:
    fields = "index,uuid,name,memory.total,power.draw,mig.mode.current,compute_cap"
    query = (f"--query-gpu={fields}", "--format=csv,noheader,nounits")
    text = run("ocp-4.20", "gpu-a100-0", "580.105.08", *query).out
    rows = list(csv.reader(text.splitlines(), skipinitialspace=True))
    assert [r[2:] for r in rows] == [
        ["NVIDIA A100 80GB PCIe", "81920", "44.52", "Disabled", "8.0"],
        ["NVIDIA A100 80GB PCIe", "81920", "46.10", "Disabled", "8.0"],
    ]
    assert rows[0][1] != rows[1][1]
    headed = run("seed", "worker03", "450.80.02", "--query-gpu=memory.total", "--format=csv").out
    assert headed == "memory.total [MiB]\n15109 MiB"


def test_a_field_that_the_branch_does_not_know_is_an_error() -> None:
    query = ("--query-gpu=compute_cap", "--format=csv,noheader")
    old = run("seed", "worker03", "450.80.02", *query)
    assert old.code == 2
    assert "not a valid field to query" in old.out
    assert run("seed", "worker03", "580.105.08", *query).out == "7.5"


def test_a_workload_sees_only_the_cards_assigned_to_it() -> None:
    scenario = changed("ocp-4.20")
    node = scenario.node("gpu-a100-0")
    assert node is not None
    second = node.gpu_devices[1:]
    alone = run(scenario, "gpu-a100-0", "580.105.08", "-L", container="main", devices=second)
    everything = run(scenario, "gpu-a100-0", "580.105.08", "-L")
    assert alone.out.startswith("GPU 0: NVIDIA A100 80GB PCIe (UUID: GPU-")
    assert len(alone.out.splitlines()) == 1
    assert alone.out.split("UUID: ")[1] == everything.out.splitlines()[1].split("UUID: ")[1]


def test_without_driver_or_card_it_says_so() -> None:
    without_driver = smi.run(view("seed", "worker03", container="nvidia-driver-ctr"), ())
    assert (without_driver.code, without_driver.out) == (9, smi.NO_DRIVER)
    without_card = run("seed", "worker01", "450.80.02", container="main")
    assert without_card.code == 127
    assert "command not found" in without_card.err


def test_another_card_shows_in_table_list_and_xml() -> None:
    device = gpu_of(changed("seed"), "worker03")
    device["address"] = "0000:af:00.0"
    device["device"] = "1db6"
    device["gpu"] |= {
        "product": "Tesla V100-PCIE-32GB",
        "memoryMiB": 32510,
        "architecture": "Volta",
        "powerLimitW": 250,
        "powerW": 26,
        "uuid": "GPU-11111111-2222-3333-4444-555555555555",
    }
    scenario = changed("seed", "worker03", pci=[device])
    table = run(scenario, "worker03", "450.80.02").out
    assert "Tesla V100-PCIE..." in table
    assert "00000000:AF:00.0" in table
    assert "26W / 250W" in table
    assert "32510MiB" in table
    assert "T4" not in table
    listed = run(scenario, "worker03", "450.80.02", "-L").out
    expected = "GPU 0: Tesla V100-PCIE-32GB (UUID: GPU-11111111-2222-3333-4444-555555555555)"
    assert listed == expected
    assert "1DB610DE" in run(scenario, "worker03", "450.80.02", "-q", "-x").out
