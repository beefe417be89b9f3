# ruff: noqa: E501  (lines without a terminal are as long as they are)
"""What `bench` shows: text, page, document. Numbers only where there is a measurement."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest
from inline_snapshot import snapshot
from msgspec import structs

from oc_gpu.bench import catalogue, compare
from oc_gpu.bench.model import Leg, Prices, Result, Run
from oc_gpu.kube.errors import UsageError
from oc_gpu.report import output, schemas
from oc_gpu.report.bench import comparison, document, figures, page, plots, text
from oc_gpu.report.documents import Document
from oc_gpu.report.look import Look
from tests.bench import samples
from tests.report.test_documents import FOLDER

MATMUL = catalogue.point("matmul", "", "1024", 1, "fp32")
COPY = catalogue.point("copy", "", "256", 1, "fp32")
NETWORKS = tuple(samples.network(batch) for batch in (1, 16, 256))
FULL = Result(status="out of memory", reason="CUDA out of memory")


def _run() -> Run:
    slow = {p.id: samples.measured(0.001 * p.batch**0.9) for p in NETWORKS}
    fast = {p.id: samples.measured(0.002, moved=0.003) for p in NETWORKS[:2]}
    more = {MATMUL.id: samples.measured(0.004), COPY.id: samples.measured(0.02)}
    quick = {MATMUL.id: samples.measured(0.0001), COPY.id: samples.measured(0.0004)}
    return samples.run(
        slow | more, fast | quick | {NETWORKS[2].id: FULL}, (*NETWORKS, MATMUL, COPY)
    )


BENCH = document.bench(_run(), Prices(cpu=1.0, gpu=4.0))
ONE_SIDED = document.bench(
    structs.replace(_run(), gpu=Leg(device="cuda", reason="PyTorch sees no NVIDIA GPU here"))
)


def _lines(found: document.Bench) -> str:
    return "\n".join(line.rstrip() for line in text.text(found, Look())) + "\n"


def test_text_of_a_run() -> None:
    assert _lines(BENCH) == snapshot("""\
CPU  Example CPU 9000, 16 of 16 cores, no limit, 16 threads, PyTorch 2.15.0
GPU  Example GPU 80GB, driver 580.1, CUDA 13.2, power cap 700 W, up to 1980 MHz, ECC on, MIG off, PyTorch 2.15.0

matmul
  SIZE  BATCH  TYPE  CPU        GPU          GPU RATE      FASTER  MOVED  SAME
  1024         fp32  4 ms ±<1%  100 us ±<1%  21.5 TFLOP/s  40x            yes (0)

copy
  SIZE    BATCH  TYPE  CPU         GPU          GPU RATE    FASTER  MOVED  SAME
  256MiB         fp32  20 ms ±<1%  400 us ±<1%  1,342 GB/s  50x            yes (0)

mlp train
  SIZE    BATCH  TYPE  CPU           GPU            GPU RATE  FASTER  MOVED   SAME
  medium  1      fp32  1 ms ±<1%     2 ms ±<1%      500/s     0.5x    0.333x  yes (0)
  medium  16     fp32  12.1 ms ±<1%  2 ms ±<1%      8,000/s   6.06x   4.04x   yes (0)
  medium  256    fp32  147 ms ±<1%   out of memory

How many times faster the GPU is, at the largest that was measured
  copy 256MiB fp32                ██████████████████████████████  50x
  mlp train medium batch 16 fp32  █████████████▉                  6.06x
  matmul 1024 fp32                ████████████████████████████▎   40x

From where on the GPU wins, and by how much at the largest
  WORKLOAD   OF      TYPE  ALONG  COMPUTE                  WITH TRANSFERS           COST
  mlp train  medium  fp32  batch  from 16 on; 6.06x at 16  from 16 on; 4.04x at 16  from 16 on; 1.01x at 16

Price of a million samples, transfers counted in
  POINT                           CPU    GPU
  mlp train medium batch 1 fp32   0.278  3.33
  mlp train medium batch 16 fp32  0.211  0.208

4 of 4 points that ran on both sides computed the same within tolerance
not measured: 1 point on the GPU: out of memory
Medians with 95 % intervals; MOVED counts transfers in; nothing is extrapolated
""")


def test_text_of_a_run_without_a_gpu_shows_no_number_for_it() -> None:
    assert _lines(ONE_SIDED) == snapshot("""\
CPU  Example CPU 9000, 16 of 16 cores, no limit, 16 threads, PyTorch 2.15.0
GPU  not measured: PyTorch sees no NVIDIA GPU here

matmul
  SIZE  BATCH  TYPE  CPU        CPU RATE
  1024         fp32  4 ms ±<1%  0.537 TFLOP/s

copy
  SIZE    BATCH  TYPE  CPU         CPU RATE
  256MiB         fp32  20 ms ±<1%  26.8 GB/s

mlp train
  SIZE    BATCH  TYPE  CPU           CPU RATE
  medium  1      fp32  1 ms ±<1%     1,000/s
  medium  16     fp32  12.1 ms ±<1%  1,320/s
  medium  256    fp32  147 ms ±<1%   1,741/s

not measured: 5 points on the GPU: PyTorch sees no NVIDIA GPU here
Medians with 95 % intervals; MOVED counts transfers in; nothing is extrapolated
""")


def test_results_that_differ_are_called_an_error() -> None:
    wrong = samples.measured(0.002, outputs=(1.0, 3.0))
    run = _run()
    gpu = structs.replace(run.gpu, results=run.gpu.results | {NETWORKS[0].id: wrong})
    said = _lines(document.bench(structs.replace(run, gpu=gpu)))
    assert "error: mlp train medium batch 1 fp32: results differ" in said
    assert "NO (" in said


def test_text_of_a_comparison() -> None:
    slower = {p.id: samples.measured(0.0021, moved=0.003) for p in NETWORKS[:2]}
    run = _run()
    gpu = structs.replace(
        run.gpu,
        machine=structs.replace(samples.GPU, driver="590.2"),
        results=run.gpu.results | slower,
    )
    found = document.comparison(compare.compare(run, structs.replace(run, gpu=gpu)))
    lines = "\n".join(line.rstrip() for line in comparison.text(found, Look())) + "\n"
    assert lines == snapshot("""\
SIDE  DIFFERENT  BEFORE  AFTER
GPU   driver     580.1   590.2

CHANGE  SIDE  POINT                      COUNTS   BEFORE  AFTER   FASTER             P
slower  GPU   mlp/train/medium/b1/fp32   compute  2 ms    2.1 ms  0.95x (0.95-0.96)  3.1e-05
slower  GPU   mlp/train/medium/b16/fp32  compute  2 ms    2.1 ms  0.95x (0.95-0.96)  3.1e-05

11 timings in both runs: 2 slower, 9 no difference
Mann-Whitney test, corrected for 11 comparisons (Holm), error rate 5%; differences below 2.0% are not called one
""")


COMPARISON = document.comparison(compare.compare(_run(), _run()))


@pytest.mark.parametrize("found", [BENCH, ONE_SIDED, COMPARISON], ids=["both", "one", "two runs"])
def test_document_matches_its_published_schema(found: Document) -> None:
    schema = json.loads((FOLDER / schemas.file_name(type(found))).read_text())
    value = json.loads(output.encode(found, "json"))
    jsonschema.Draft202012Validator(schema).validate(value)
    assert value["schemaVersion"] == "1"


def test_a_document_is_read_again_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(output.encode(BENCH, "json"))
    assert document.load(str(file)) == BENCH


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not a run of bench"),
        ('{"kind": "Status", "schemaVersion": "1"}', "is not a run of bench"),
        ('{"kind": "Bench", "schemaVersion": "7"}', "has schema version 7, not 1"),
        ('{"kind": "Bench", "schemaVersion": 7}', "is not a run of bench"),
    ],
)
def test_a_file_that_is_no_run_of_ours_is_refused(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "run.json"
    file.write_text(content)
    for read in (document.load, lambda path: document.load_any([path])):
        with pytest.raises(UsageError, match=says) as caught:
            read(str(file))
        assert caught.value.hints


def test_a_page_needs_nothing_else_and_is_well_formed() -> None:
    made = page.page(BENCH)
    for outside in ("http:", "https:", "<script", "src=", "@import", "url("):
        assert outside not in made
    # Void elements apart, the page is XML, so that a forgotten end tag is seen.
    closed = made.replace('charset="utf-8">', 'charset="utf-8"/>')
    closed = closed.replace('initial-scale=1">', 'initial-scale=1"/>').partition("\n")[2]
    root = ET.fromstring(closed)  # noqa: S314  (our own text)
    headings = [node.text for node in root.iter("h2")]
    assert headings == snapshot(
        [
            "From where on the GPU wins",
            "How many times faster the GPU is",
            "Throughput",
            "Copies",
            "Rooflines",
            "Price of a million samples, transfers counted in",
            "Every point",
            "Not measured",
        ]
    )


def test_names_from_outside_cannot_become_markup() -> None:
    run = _run()
    machine = structs.replace(samples.CPU, cpu="<b>&")
    made = page.page(
        document.bench(structs.replace(run, cpu=structs.replace(run.cpu, machine=machine)))
    )
    assert "<b>" not in made
    assert "&lt;b&gt;&amp;" in made


def test_plots_hold_exactly_what_was_measured() -> None:
    (plot,) = figures.speed_ups(BENCH.pairs)
    there, moved = plot.series
    assert [dot.x for dot in there.dots] == [1, 16]
    assert there.dots[0].y == pytest.approx(0.5)
    assert moved.dots[0].y == pytest.approx(1 / 3)
    assert figures.speed_ups(ONE_SIDED.pairs)[0].series == ()
    assert plots.svg(figures.speed_ups(ONE_SIDED.pairs)[0]) == ""


def test_a_value_alone_has_a_mark_beside_it_and_its_interval_stays_in_the_plot() -> None:
    for value in (0.9, 1.0, 3.3, 7.2, 40.0):
        dot = plots.Dot(1.0, value, value / 3, value * 3)
        drawn = plots.svg(plots.Plot("t", "batch", "samples/s", (plots.Series("s", (dot,)),)))
        assert 'class="e"' in drawn
        assert 'class="m"' in drawn
        lone = plots.svg(plots.Plot("t", "x", "y", (plots.Series("s", (plots.Dot(1, value),)),)))
        assert 'class="e"' in lone
        (bar,) = [part for part in drawn.splitlines() if ' b"' in part]
        low, high = map(float, bar.split("d=")[1].split(" ")[1].rstrip('"/>').split("V"))
        assert plots.TOP <= high < low <= plots.HEIGHT - plots.BOTTOM


def test_a_roof_is_the_fastest_product_and_the_fastest_copy() -> None:
    gpu, cpu = figures.rooflines(BENCH.pairs)
    (roof,) = [s for s in gpu.series if not s.marks]
    bandwidth, top = 2 * 256 * 2**20 / 0.0004, 2 * 1024**3 / 0.0001
    assert roof.dots[1].x == pytest.approx(top / bandwidth)
    assert roof.dots[1].y == pytest.approx(top / 1e12)
    assert cpu.title == "CPU roofline"


@pytest.mark.parametrize("value", [0.001, 0.5, 1.0, 37.0, 4096.0])
def test_every_dot_lies_within_its_plot(value: float) -> None:
    dots = (plots.Dot(1.0, 1.0), plots.Dot(value * 10, value, value / 2, value * 2))
    made = plots.svg(plots.Plot("t", "x", "y", (plots.Series("s", dots),)))
    root = ET.fromstring(made)  # noqa: S314  (our own text)
    for circle in root.iter("circle"):
        assert plots.LEFT <= float(circle.get("cx", "nan")) <= plots.WIDTH - plots.RIGHT
        assert plots.TOP <= float(circle.get("cy", "nan")) <= plots.HEIGHT - plots.BOTTOM
