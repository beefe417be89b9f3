"""Divided cards: what a layout makes of them, what is offered, what programs print of them."""

from xml.etree import ElementTree as ET

import pytest
from tests.sim_core.views import view

from oc_gpu.checks.smi import disagreements, parse_xml
from oc_gpu.checks.smi_table import parse_table
from oc_gpu.sim.hardware import mig, operands, smi
from oc_gpu.sim.hardware.features import Cards, discovery_labels
from oc_gpu.sim.hardware.mig import LayoutError, MixedSizesError
from oc_gpu.sim.hardware.model import DRIVER, TOOLKIT, View
from oc_gpu.sim.scenario import load

SCENARIO = load("mig-4.20")
NODE, T4 = (n for n in SCENARIO.nodes if n.name in ("gpu-a100-0", "gpu-t4-0"))
FIRST, SECOND = (card.address for card in NODE.gpu_devices)
CONFIG = mig.standard_config(SCENARIO)
BALANCED = mig.wanted_layouts(NODE, CONFIG, "all-balanced")
DRIVERS = ("470.82.01", "535.104.05", "580.105.08", "610.43.02")


def seen(driver: str = "580.105.08", **fields: object) -> View:
    host = {DRIVER: driver, TOOLKIT: "running"}
    given = {"container": "nvidia-driver-ctr", "layouts": BALANCED} | fields
    return view(SCENARIO, NODE.name, host=host, **given)


def offers(layout: str, strategy: str) -> dict[str, int]:
    layouts = mig.wanted_layouts(NODE, CONFIG, layout)
    return {
        name: len(devices)
        for name, devices in mig.offered(SCENARIO, NODE, layouts, strategy).items()
    }


@pytest.mark.parametrize(
    ("layout", "strategy", "expected"),
    [
        ("all-disabled", "single", {"nvidia.com/gpu": 2}),
        ("all-disabled", "mixed", {"nvidia.com/gpu": 2}),
        ("all-1g.5gb", "none", {"nvidia.com/gpu": 2}),
        ("all-1g.5gb", "single", {"nvidia.com/gpu": 14}),
        ("all-1g.5gb", "mixed", {"nvidia.com/mig-1g.5gb": 14}),
        ("all-1g.5gb.me", "mixed", {"nvidia.com/mig-1g.5gb.me": 2}),
        ("all-1g.10gb", "mixed", {"nvidia.com/mig-1g.10gb": 8}),
        (
            "all-balanced",
            "mixed",
            {"nvidia.com/mig-3g.20gb": 2, "nvidia.com/mig-2g.10gb": 2, "nvidia.com/mig-1g.5gb": 4},
        ),
    ],
)
def test_what_is_offered_follows_from_layout_and_strategy(
    layout: str, strategy: str, expected: dict[str, int]
) -> None:
    assert offers(layout, strategy) == expected


def test_strategy_mixed_offers_whole_cards_beside_parts() -> None:
    layouts = {SECOND: ("7g.40gb",)}
    found = mig.offered(SCENARIO, NODE, layouts, "mixed")
    assert {name: [d.card.address for d in devices] for name, devices in found.items()} == {
        "nvidia.com/gpu": [FIRST],
        "nvidia.com/mig-7g.40gb": [SECOND],
    }


@pytest.mark.parametrize(
    ("layouts", "words"),
    [
        (BALANCED, "more than one MIG device type present on node"),
        ({FIRST: ("7g.40gb",)}, "all devices on the node must be configured with the same"),
        ({FIRST: (), SECOND: ()}, "was not configured correctly"),
    ],
)
def test_strategy_single_refuses_parts_of_several_sizes_and_the_plugin_says_so(
    layouts: dict[str, tuple[str, ...]], words: str
) -> None:
    with pytest.raises(MixedSizesError, match=words):
        mig.offered(SCENARIO, NODE, layouts, "single")
    plugin = operands.device_plugin(seen(layouts=layouts, env={"MIG_STRATEGY": "single"}))
    assert plugin.exit_code == 1
    assert words in plugin.log[-1]


def test_every_standard_layout_fits_the_card_that_it_is_for() -> None:
    for name in CONFIG["mig-configs"]:
        mig.wanted_layouts(NODE, CONFIG, name)
    assert "all-2g.10gb" in CONFIG["mig-configs"]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"1g.10gb": 5}, "Insufficient Resources"),
        ({"3g.20gb": 2, "1g.5gb": 2}, "Insufficient Resources"),
        ({"1g.20gb": 1}, "unsupported MIG profile 1g.20gb"),
    ],
)
def test_a_layout_that_a_card_has_no_room_for_is_refused(
    entries: dict[str, int], words: str
) -> None:
    one = {"devices": "all", "mig-enabled": True, "mig-devices": entries}
    with pytest.raises(LayoutError, match=words):
        mig.wanted_layouts(NODE, {"mig-configs": {"mine": [one]}}, "mine")


def test_a_layout_nobody_knows_and_a_card_that_cannot_be_divided_are_refused() -> None:
    with pytest.raises(LayoutError, match="selected mig-config not present: none"):
        mig.wanted_layouts(NODE, CONFIG, "none")
    with pytest.raises(LayoutError, match=r"Tesla T4. is not MIG capable"):
        mig.wanted_layouts(T4, CONFIG, "all-enabled")


def test_a_layout_of_ones_own_names_single_cards() -> None:
    entries = [
        {"devices": [0], "mig-enabled": False},
        {"devices": [1], "mig-enabled": True, "mig-devices": {"7g.40gb": 1}},
    ]
    found = mig.wanted_layouts(NODE, {"mig-configs": {"mine": entries}}, "mine")
    assert found == {SECOND: ("7g.40gb",)}


@pytest.mark.parametrize("driver", DRIVERS)
def test_table_and_xml_of_divided_cards_are_read_alike(driver: str) -> None:
    table = smi.run(seen(driver), []).out
    report = parse_xml(smi.run(seen(driver), ["-q", "-x"]).out)
    assert disagreements(report, parse_table(table)) == ()
    assert [(card.mig, len(card.mig_uuids)) for card in report.cards] == [("Enabled", 4)] * 2
    body = [line for line in table.splitlines()[1:] if line.strip()]
    assert len({len(line) for line in body}) == 1
    assert "MIG devices:" in table


def test_the_xml_counts_parts_as_drivers_do_without_their_identifiers() -> None:
    text = smi.run(seen(), ["-q", "-x"]).out.partition('dtd">')[2]
    root = ET.fromstring(text)  # noqa: S314  # the simulator's own
    first = root.findall("gpu/mig_devices/mig_device")[0]
    assert first.findtext("gpu_instance_id") == "1"
    assert first.findtext("device_attributes/shared/multiprocessor_count") == "42"
    assert first.findtext("fb_memory_usage/total") == "20096 MiB"
    assert first.find("uuid") is None


def test_a_container_sees_the_part_that_it_was_given_and_no_other() -> None:
    every = smi.run(seen(), ["-L"]).out.splitlines()
    assert [line.split("Device")[0].split() for line in every[1:5]] == [
        ["MIG", "3g.20gb"],
        ["MIG", "2g.10gb"],
        ["MIG", "1g.5gb"],
        ["MIG", "1g.5gb"],
    ]
    part = mig.parts_of(SCENARIO, NODE, NODE.gpu_devices[0], BALANCED)[2]
    given = seen(container="main", devices=NODE.gpu_devices[:1], parts=(part.uuid,))
    lines = smi.run(given, ["-L"]).out.splitlines()
    assert len(lines) == 2
    assert lines[1] == f"  MIG 1g.5gb     Device  0: (UUID: {part.uuid})"


def labels(strategy: str, layout: str) -> dict[str, str]:
    layouts = mig.wanted_layouts(NODE, CONFIG, layout)
    now = Cards("580.105.08", layouts, strategy)
    found = discovery_labels(SCENARIO, NODE, now, stamp=1, extended=True)
    return {key.removeprefix("nvidia.com/"): value for key, value in found.items()}


def test_labels_of_divided_cards_follow_the_strategy() -> None:
    mixed = labels("mixed", "all-balanced")
    assert mixed["gpu.count"] == "2"
    assert mixed["gpu.product"] == "NVIDIA-A100-PCIE-40GB"
    assert mixed["mig-1g.5gb.count"] == "4"
    assert mixed["mig-3g.20gb.product"] == "NVIDIA-A100-PCIE-40GB-MIG-3g.20gb"
    assert mixed["mig.strategy"] == "mixed"
    single = labels("single", "all-1g.5gb")
    assert single["gpu.count"] == "14"
    assert single["gpu.product"] == "NVIDIA-A100-PCIE-40GB-MIG-1g.5gb"
    assert single["gpu.memory"] == "4864"
    assert not any(key.startswith("mig-") for key in single)
    assert labels("none", "all-1g.5gb")["gpu.count"] == "2"
