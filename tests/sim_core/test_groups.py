"""Groups of nodes in scenarios, and scenarios of a given size."""

import pytest

from oc_gpu.sim.groups import GroupError, expanded
from oc_gpu.sim.scenario import ScenarioError, load, schema


def entry(name: str, count: int | None = None) -> dict[str, object]:
    single = {"name": name, "address": "10.0.0.254", "cpu": 8}
    return single if count is None else {**single, "count": count}


def test_group_becomes_nodes_with_numbers_and_addresses_of_their_own() -> None:
    made = expanded({"nodes": [entry("master"), entry("worker", 3)]})["nodes"]
    assert [(n["name"], n["address"]) for n in made] == [
        ("master", "10.0.0.254"),
        ("worker-0", "10.0.0.254"),
        ("worker-1", "10.0.0.255"),
        ("worker-2", "10.0.1.0"),
    ]
    assert not any("count" in n for n in made)


def test_groups_keep_their_proportions_when_a_number_of_nodes_is_asked_for() -> None:
    document = {"nodes": [entry("master"), entry("worker", 9), entry("gpu", 1)]}
    names = [n["name"] for n in expanded(document, 101)["nodes"]]
    assert len(names) == 101
    assert sum(name.startswith("gpu-") for name in names) == 10


@pytest.mark.parametrize(
    ("nodes", "wanted", "words"),
    [
        ([entry("a")], 5, "no group of nodes"),
        ([entry("a"), entry("b", 4)], 1, "too few"),
        ([entry("a", 0)], None, "above 0"),
        ([{"name": "a", "address": "here", "count": 2}], None, "no IPv4 address"),
    ],
)
def test_group_that_cannot_be_made_is_refused(
    nodes: list[object], wanted: int | None, words: str
) -> None:
    with pytest.raises(GroupError, match=words):
        expanded({"nodes": nodes}, wanted)


def test_big_has_as_many_nodes_as_asked_for() -> None:
    big = load("big:1000")
    assert len(big.nodes) == 1000
    assert sum(bool(n.gpu_devices) for n in big.nodes) == 106
    assert len({n.address for n in big.nodes}) == 1000
    assert big.node("gpu-105") is big.nodes[-1]


def test_scenario_without_groups_has_no_size() -> None:
    with pytest.raises(ScenarioError, match="no group of nodes"):
        load("seed:10")


def test_schema_knows_the_count_of_a_group() -> None:
    assert schema()["$defs"]["NodeFacts"]["properties"]["count"]["minimum"] == 1
