"""Scenario documents: the built-in ones, and what is refused."""

from pathlib import Path

import jsonschema
import pytest

from oc_gpu.sim import scenario
from oc_gpu.sim.scenario import ScenarioError, gpu_uuid


def test_the_built_in_scenarios_are_there_and_fit_their_schema() -> None:
    assert set(scenario.names()) >= {"seed", "ocp-4.20", "no-gpu"}
    schema = scenario.schema()
    for name in scenario.names():
        facts = scenario.load(name)
        assert facts.name == name
        jsonschema.validate(scenario.to_document(facts), schema)


def test_the_seed_is_the_cluster_of_the_walk_through() -> None:
    facts = scenario.load("seed")
    assert facts.openshift.minor == (4, 4)
    assert [n.name for n in facts.nodes if n.pool == "master"] == [
        "master01",
        "master02",
        "master03",
    ]
    workers = {n.name: n.address for n in facts.nodes if n.pool == "worker"}
    assert workers["worker01"] == "16.147.201.94"
    assert workers["worker02"] == "16.147.201.95"
    node = facts.node("worker03")
    assert node is not None
    assert node.cpu_flags == ("ADX", "AESNI", "AVX", "AVX2", "FMA3", "IBPB", "STIBP")
    assert node.kernel == "4.18.0-193.29.1.el8_2.x86_64"
    assert (node.os_release["ID"], node.os_release["VERSION_ID"]) == ("rhcos", "4.4")
    assert {d.vendor for d in node.pci} == {"10de", "15ad"}
    assert [d.address for d in node.gpu_devices] == ["0000:13:00.0"]
    assert facts.network.proxy is not None
    assert not facts.network.direct_internet


def test_the_other_scenarios_have_the_cards_that_their_names_promise() -> None:
    cards = {n.name: len(n.gpu_devices) for n in scenario.load("ocp-4.20").nodes}
    assert cards["gpu-a100-0"] == 2
    assert cards["gpu-h100-0"] == 1
    vendors = {d.vendor for n in scenario.load("no-gpu").nodes for d in n.pci}
    assert "10de" not in vendors


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": "red"}, "mine.yaml: colour: is not a known field"),
        ({"name": 5}, "name: must be text, not a number; put it in quotes"),
        ({"nodes": [{"name": "n"}]}, "nodes[0].address: is missing"),
        ({"latencies": {"reboot": "long"}}, "latencies.reboot: must be a number, not text"),
        ({"latencies": {"reboot": -1}}, "latencies.reboot: must be at least 0"),
        ({"latencies": {"drain": float("inf")}}, "latencies.drain: must be at most"),
        ({"nodes": []}, "nodes: has too few entries: at least 1"),
        ({"driver": {"version": "banana"}}, "driver: driver 'banana' is not like 580.105.08"),
        ({"driver": {"version": "450.80.02", "cuda": "new"}}, "CUDA version 'new'"),
        ({"images": [{"reference": "a/b", "driver": "latest"}]}, "driver 'latest'"),
    ],
)
def test_a_field_that_does_not_fit_is_named_with_its_path(
    change: dict[str, object], words: str
) -> None:
    document = scenario.to_document(scenario.load("seed")) | change
    with pytest.raises(ScenarioError) as caught:
        scenario.from_document(document, "mine.yaml")
    assert words in str(caught.value)
    assert "mine.yaml" in str(caught.value)
    assert caught.value.exit_code == 2


def test_names_and_pci_addresses_are_checked() -> None:
    document = scenario.to_document(scenario.load("seed"))
    document["nodes"][1]["name"] = "master01"
    with pytest.raises(ScenarioError, match="node name 'master01' is used twice"):
        scenario.from_document(document)
    document["nodes"][1]["name"] = "Master_02"
    with pytest.raises(ScenarioError, match="not a DNS name"):
        scenario.from_document(document)


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        ("openshift", {"version": "latest"}, "release 'latest' is not like 4.20.4"),
        ("openshift", {"kubernetes": "one"}, "Kubernetes release 'one' is not like v1.33.5"),
        ("nodes", {"cpu": 0}, "nodes[0].cpu: must be at least 1"),
        ("nodes", {"memoryMiB": 512}, "nodes[0].memoryMiB: must be at least"),
        ("nodes", {"hostDriver": "yes"}, "host driver 'yes'"),
        ("pci", {"vendor": "NVIDIA"}, "PCI vendor 'NVIDIA' is not like 10de"),
        ("pci", {"class": "vga"}, "PCI class 'vga' is not like 10de"),
    ],
)
def test_a_text_or_number_that_no_cluster_has_is_refused(
    part: str, change: dict[str, object], words: str
) -> None:
    document = scenario.to_document(scenario.load("no-gpu"))
    places = {
        "openshift": document["openshift"],
        "nodes": document["nodes"][0],
        "pci": next(n for n in document["nodes"] if n["pci"])["pci"][0],
    }
    places[part].update(change)
    with pytest.raises(ScenarioError) as caught:
        scenario.from_document(document)
    assert words in str(caught.value)


def test_mistakes_are_told_all_at_once_and_where_their_author_wrote_them() -> None:
    text = """
    name: mine
    nodes:
      - {name: worker, address: 10.0.0.1, count: 40, kernal: 5.14.0-570.58.1.el9_6.x86_64}
      - {name: other, address: 10.0.1.1, kernel: 5.14.0-570.58.1.el9_6.x86_64}
    denied: [{verb: get}]
    """
    with pytest.raises(ScenarioError) as caught:
        scenario.parse(text, "mine.yaml")
    told = str(caught.value)
    assert "nodes[0].kernal: is not a known field; did you mean kernel?" in told
    assert "denied[0].verb: is not a known field; did you mean verbs?" in told
    assert "nodes[1].kern" not in told
    assert "count" not in told
    assert "`" not in told


def test_an_unknown_name_lists_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario.load("sead")
    assert any("seed" in hint for hint in caught.value.hints)
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: [")
    with pytest.raises(ScenarioError, match="is not YAML at line"):
        scenario.load(broken)


def test_a_scenario_is_read_from_a_file(tmp_path: Path) -> None:
    text = Path(scenario.__file__).parent.joinpath("scenarios/seed.yaml").read_text("utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("name: seed", "name: mine"), encoding="utf-8")
    assert scenario.load(path).name == "mine"


def test_a_card_without_uuid_gets_one_that_stays_the_same() -> None:
    facts = scenario.load("ocp-4.20")
    node = facts.node("gpu-a100-0")
    assert node is not None
    first, second = node.gpu_devices
    assert gpu_uuid(facts, node, first) == gpu_uuid(facts, node, first)
    assert gpu_uuid(facts, node, first) != gpu_uuid(facts, node, second)
