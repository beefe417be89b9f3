"""nvidia-smi is read in every form that driver releases print."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oc_gpu.checks import smi
from oc_gpu.checks.smi_table import parse_table
from tests.checks import smi_text as texts
from tests.checks.smi_text import Board

SEED_TABLE = """\
Tue Mar  2 10:00:00 2021
+-----------------------------------------------------------------------------+
| NVIDIA-SMI 450.80.02    Driver Version: 450.80.02    CUDA Version: 11.0     |
|-------------------------------+----------------------+----------------------+
| GPU  Name        Persistence-M| Bus-Id        Disp.A | Volatile Uncorr. ECC |
| Fan  Temp  Perf  Pwr:Usage/Cap|         Memory-Usage | GPU-Util  Compute M. |
|                               |                      |               MIG M. |
|===============================+======================+======================|
|   0  Tesla T4            On   | 00000000:13:00.0 Off |                    0 |
| N/A   55C    P8    17W /  70W |      0MiB / 15109MiB |      0%      Default |
|                               |                      |                  N/A |
+-------------------------------+----------------------+----------------------+
"""
MISSING = st.sampled_from(["N/A", "[N/A]", "[Not Supported]"])
SHORT = st.sampled_from(["N/A", "[N/A]", "ERR!"])
_reading = st.none() | st.integers(0, 999)
_name = st.from_regex(r"[A-Z][A-Za-z0-9]{1,8}( [A-Za-z0-9-]{1,10}){0,4}", fullmatch=True)
_boards = st.lists(
    st.builds(
        Board,
        name=_name,
        bus=st.from_regex(r"00000000:[0-9A-F]{2}:[01][0-9A-F]\.[0-7]", fullmatch=True),
        total=st.none() | st.integers(1, 999_999),
        used=st.none() | st.integers(0, 999_999),
        temperature=_reading,
        power=_reading,
        limit=_reading,
        load=st.none() | st.integers(0, 100),
        mig=st.sampled_from(["N/A", "Enabled", "Disabled"]),
        persistence=st.sampled_from(["On", "Off", "N/A", "[N/A]"]),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda board: board.bus,
)


def _is_like(card: smi.Card, board: Board) -> bool:
    readings = (board.total, board.used, board.temperature, board.power, board.limit, board.load)
    return card.bus_id == board.bus and readings == (
        card.memory_total_mib,
        card.memory_used_mib,
        card.temperature_c,
        card.power_w,
        card.power_limit_w,
        card.utilization_percent,
    )


def test_the_walk_throughs_table_is_read_field_by_field() -> None:
    assert parse_table(SEED_TABLE) == smi.Report(
        "450.80.02",
        "11.0",
        (
            smi.Card(
                bus_id="00000000:13:00.0",
                name="Tesla T4",
                memory_total_mib=15109,
                memory_used_mib=0,
                temperature_c=55,
                power_w=17,
                power_limit_w=70,
                utilization_percent=0,
            ),
        ),
    )


def test_the_writer_of_these_tests_prints_the_walk_throughs_lines_and_all_widths() -> None:
    for branch, width in texts.WIDTHS.items():
        printed = texts.table(branch, [Board()], "450.80.02", "11.0").splitlines()
        assert {len(line) for line in printed[1:] if line.startswith(("|", "+"))} == {width}
    lines = texts.table("450", [Board()], "450.80.02", "11.0").splitlines()
    assert lines[2] == SEED_TABLE.splitlines()[2]


@settings(max_examples=60, deadline=None)
@given(_boards, st.sampled_from(sorted(texts.STYLES)), SHORT)
def test_every_card_of_every_table_comes_back_as_it_was_printed(
    boards: list[Board], branch: str, missing: str
) -> None:
    report = parse_table(texts.table(branch, boards, "535.104.05", "12.2", missing))
    assert (report.driver, report.cuda) == ("535.104.05", "12.2")
    assert len(report.cards) == len(boards)
    limit = texts.STYLES[branch].name
    for card, board in zip(report.cards, boards, strict=True):
        assert _is_like(card, board)
        cut = board.name if len(board.name) <= limit else board.name[: limit - 3] + "..."
        assert card.name == cut
        assert card.mig == ("" if board.mig == "N/A" or branch == "440" else board.mig)


@settings(max_examples=60, deadline=None)
@given(_boards, st.sampled_from([10, 11, 12, 13]), MISSING)
def test_every_card_of_every_document_type_comes_back_as_it_was_printed(
    boards: list[Board], dtd: int, missing: str
) -> None:
    report = smi.parse_xml(texts.xml(dtd, boards, "580.105.08", "13.0", missing))
    assert (report.driver, report.cuda) == ("580.105.08", "13.0")
    assert [c.name for c in report.cards] == [b.name for b in boards]
    assert all(_is_like(c, b) for c, b in zip(report.cards, boards, strict=True))


@settings(max_examples=40, deadline=None)
@given(_boards, st.sampled_from(sorted(texts.STYLES)), st.sampled_from([10, 11, 12, 13]))
def test_table_and_xml_of_the_same_cards_agree_whatever_the_width(
    boards: list[Board], branch: str, dtd: int
) -> None:
    xml = smi.parse_xml(texts.xml(dtd, boards, "470.57.02", "11.4"))
    assert (
        smi.disagreements(xml, parse_table(texts.table(branch, boards, "470.57.02", "11.4"))) == ()
    )


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Board(total=16384), "memory is 15109.0 in the XML, 16384.0 in the table"),
        (Board(name="Tesla V100"), "is Tesla T4 in the XML, Tesla V100 in the table"),
        (Board(bus="00000000:14:00.0"), "00000000:13:00.0 is missing in the table"),
    ],
)
def test_a_difference_between_table_and_xml_is_named(other: Board, said: str) -> None:
    xml = smi.parse_xml(texts.xml(11, [Board()], "450.80.02", "11.0"))
    table = parse_table(texts.table("450", [other], "450.80.02", "11.0"))
    assert any(said in line for line in smi.disagreements(xml, table))


def test_another_driver_in_the_table_is_named() -> None:
    xml = smi.parse_xml(texts.xml(11, [Board()], "450.80.02", "11.0"))
    table = parse_table(texts.table("450", [Board()], "460.32.03", "11.2"))
    assert smi.disagreements(xml, table) == (
        "driver: 450.80.02 in the XML, 460.32.03 in the table",
        "CUDA: 11.0 in the XML, 11.2 in the table",
    )


def test_a_table_of_mig_devices_after_the_cards_is_not_taken_for_cards() -> None:
    board = Board(name="NVIDIA A100-SXM4-40GB", mig="Enabled", load=None)
    report = parse_table(texts.table("525", [board], "525.60.13", "12.0") + texts.MIG_TABLE)
    assert [(c.name, c.mig) for c in report.cards] == [("NVIDIA A100-SXM...", "Enabled")]


def test_mig_devices_of_the_xml_are_counted_with_their_identifiers() -> None:
    mig = "MIG-8f0c8f2e-0d6b-4a3e-9f62-0c7f7a1b2c3e"
    text = texts.xml(12, [Board(mig="Enabled", mig_devices=(mig,))], "535.104.05", "12.2")
    assert smi.parse_xml(text).cards[0].mig_uuids == (mig,)


def test_versions_of_the_610_banner_and_its_xml_names_are_read() -> None:
    assert parse_table(texts.table("610", [Board()], "610.10", "13.3")).driver == "610.10"
    text = texts.xml(13, [Board()], "610.10", "13.3")
    text = text.replace("driver_version", "kmd_version").replace("cuda_ver", "cuda_umd_ver")
    report = smi.parse_xml(text)
    assert (report.driver, report.cuda) == ("610.10", "13.3")


@pytest.mark.parametrize("complaint", ["ERR!", "[Unknown Error]", "[GPU is lost]"])
def test_complaints_in_place_of_values_are_kept(complaint: str) -> None:
    board = Board(temperature=None, power=None)
    for card in (
        parse_table(texts.table("580", [board], "580.1", "13.0", complaint)).cards[0],
        smi.parse_xml(texts.xml(13, [board], "580.1", "13.0", complaint)).cards[0],
    ):
        assert card.trouble == (complaint.strip("[]"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing"),
        ("No devices were found", "No devices were found"),
        ("NVIDIA-SMI has failed because it couldn't communicate", "couldn't communicate"),
        ("Unable to determine the device handle for GPU 0000:01:00.0: GPU is lost.", "lost"),
    ],
)
def test_what_is_no_report_is_quoted(text: str, said: str) -> None:
    for parse in (smi.parse_xml, parse_table):
        with pytest.raises(smi.SmiError, match=said):
            parse(text)


def test_broken_xml_is_refused() -> None:
    whole = texts.xml(11, [Board()], "450.80.02", "11.0")
    with pytest.raises(smi.SmiError, match="broken"):
        smi.parse_xml(whole[: len(whole) // 2])


def test_a_document_that_declares_entities_is_refused() -> None:
    bomb = '<!DOCTYPE a [<!ENTITY x "]>"><!ENTITY y "&x;&x;">]><nvidia_smi_log>&y;</nvidia_smi_log>'
    with pytest.raises(smi.SmiError):
        smi.parse_xml(bomb)


def test_a_table_cut_in_the_middle_is_refused() -> None:
    whole = texts.table("450", [Board()], "450.80.02", "11.0")
    with pytest.raises(smi.SmiError):
        parse_table(whole[: whole.index("Tesla T4")])


def test_device_uuids_are_found_in_any_text() -> None:
    text = f"GPU 0: Tesla T4 (UUID: {texts.UUID})\n{texts.UUID}\nGPU-short"
    assert smi.uuids(text) == (texts.UUID,)
