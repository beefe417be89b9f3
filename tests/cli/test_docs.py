"""What the documentation shows is true: examples run, links lead somewhere, commands exist."""

import re
import types
from pathlib import Path

import pytest
import yaml

from oc_gpu.cli.program import COMMANDS
from oc_gpu.config import GpuPlatform
from oc_gpu.facts.model import OpenShiftRelease
from oc_gpu.sim import scenario
from oc_gpu.snapshot.model import Snapshot
from oc_gpu.stages import context, engine
from oc_gpu.stages.model import State

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
SCENARIOS = (ROOT / "docs" / "scenarios.md").read_text("utf-8")


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_example_of_a_stage_is_one() -> None:
    stage = types.ModuleType("notebooks")
    exec(_blocks(ARCHITECTURE, "python")[0], stage.__dict__)  # noqa: S102
    given = context.build(GpuPlatform(), Snapshot("https://localhost:1"))
    (assessment,) = engine.assess([stage.plan(given)], given.snapshot)
    assert assessment.state is State.DUE
    assert [str(action.ref) for action in assessment.due] == ["Namespace/notebooks"]
    assert stage.undo(given).not_needed == "nothing of it was made here"


def test_example_of_a_fact_has_fields_that_facts_have() -> None:
    (entry,) = yaml.safe_load(_blocks(ARCHITECTURE, "yaml")[0])
    assert set(entry) <= set(OpenShiftRelease.__struct_fields__)
    assert {"source", "date"} <= set(entry)


def test_table_of_scenarios_names_those_that_are_built_in() -> None:
    rows = re.findall(r"^\| `([a-z0-9.-]+)(?::N)?` \|", SCENARIOS, re.MULTILINE)
    assert [name for name in scenario.names() if name not in rows] == []


def test_table_of_scenario_parts_names_every_part() -> None:
    told = set(re.findall(r"^\| `([a-z]+)", SCENARIOS, re.MULTILINE))
    fields = set(scenario.Scenario.__struct_fields__)
    assert fields - told == {"name", "description", "starts_at"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_that_exist(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text("utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_are_named_exist(page: Path) -> None:
    named = set(
        re.findall(r"(?:^|`|\$\(|<\()oc-gpu ([a-z]+)", page.read_text("utf-8"), re.MULTILINE)
    )
    known = {entry.name for entry in COMMANDS}
    assert named <= known
