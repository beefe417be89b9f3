"""The GpuPlatform document: what it says, and all that can be wrong with it."""

import contextlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oc_gpu import config
from oc_gpu.config import GpuPlatform, InvalidDocumentError, chosen, seconds
from oc_gpu.config.document import API_VERSION, KIND
from oc_gpu.kube.errors import ConfigError
from oc_gpu.kube.mistakes import find_mistakes

FULL = b"""
apiVersion: oc-gpu.io/v1alpha1
kind: GpuPlatform
metadata: {name: lab}
spec:
  entitlement: {file: portal.zip, mode: require}
  nfd: {channel: stable, namespace: nfd}
  gpuOperator:
    channel: v25.10
    version: 25.10.1
    namespace: gpu
    driver: {repository: nvcr.io/nvidia, image: driver, version: 580.105.08}
    clusterPolicy: {dcgm: {enabled: false}, mig: null}
  isolation:
    taint: nodetype=gpu:NoSchedule
    tolerations: [{key: team, operator: Equal, value: a, effect: NoExecute}]
  proxy: {http: "http://p:1", https: "http://p:2", noProxy: .local}
  images: {ubi: example.com/ubi, cudaSample: example.com/cuda}
  timeouts: {enable: 1h30m, verify: 10m, disable: 90s}
"""


_LEVELS = "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefg"))
LAUGHS = f"a: &a [{','.join('1' * 9)}]\n{_LEVELS}".encode()


def mistakes(text: bytes) -> list[str]:
    with pytest.raises(InvalidDocumentError) as caught:
        config.parse(text)
    assert caught.value.exit_code == 2
    assert caught.value.hints
    return [str(mistake) for mistake in caught.value.mistakes]


@pytest.mark.parametrize(
    "text", [b"", b"\n# nothing\n", b"{}", b"spec:\n", b"spec:\n  nfd:\n  gpuOperator:\n"]
)
def test_an_empty_document_is_one_with_every_default(text: bytes) -> None:
    assert config.parse(text) == GpuPlatform()


def test_every_field_can_be_given() -> None:
    spec = config.parse(FULL).spec
    assert spec.entitlement.mode == "require"
    assert spec.gpu_operator.driver.given
    assert spec.gpu_operator.cluster_policy == {"dcgm": {"enabled": False}, "mig": None}
    assert spec.isolation.taint == "nodetype=gpu:NoSchedule"
    assert isinstance(spec.proxy, config.ProxySpec)
    assert spec.proxy.no_proxy == ".local"
    assert spec.images.cuda_sample == "example.com/cuda"


def test_json_is_read_as_well() -> None:
    assert config.parse(b'{"spec": {"nfd": {"channel": "4.4"}}}').spec.nfd.channel == "4.4"


def test_an_unknown_field_is_named_with_what_was_meant() -> None:
    assert mistakes(b"spec: {gpuoperator: {chanel: x}}") == [
        "spec.gpuoperator: is not a known field; did you mean gpuOperator?"
    ]


def test_all_mistakes_are_told_at_once() -> None:
    told = mistakes(
        b"kind: Gpu\nspec:\n  nfd: {chanel: x, channel: 4.5}\n  proxy: 3\n  images: x\n"
        b"  entitlement: {mode: atuo, file: [1]}\n  timeouts: {enable: 3x}\n"
        b"  isolation: {taint: 'a b:No', tolerations: [{operator: Exist}]}\n"
        b"  gpuOperator: {driver: {version: '1'}, clusterPolicy: []}\n"
    )
    assert set(told) == {
        "kind: must be GpuPlatform, not 'Gpu'",
        "spec.nfd.chanel: is not a known field; did you mean channel?",
        "spec.nfd.channel: must be text, not a number; put it in quotes",
        "spec.proxy: must be a mapping or one of auto, none, not a number",
        "spec.images: must be a mapping, not text",
        "spec.entitlement.mode: must be one of auto, require, skip, not 'atuo'; did you mean auto?",
        "spec.entitlement.file: must be text or empty, not a list",
        "spec.timeouts.enable: '3x' is not of the right form, such as 90m",
        (
            "spec.isolation.taint: 'a b:No' is not a taint: its effect must be one of "
            "NoSchedule, PreferNoSchedule, NoExecute"
        ),
        (
            "spec.isolation.tolerations[0].operator: must be one of Equal, Exists, not 'Exist'; "
            "did you mean Exists?"
        ),
        (
            "spec.gpuOperator.driver: repository and image must be given too: "
            "the operator takes all three or none"
        ),
        "spec.gpuOperator.clusterPolicy: must be a mapping, not a list",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"- a", "must be a mapping, not a list"),
        (b"hello", "must be a mapping, not text"),
        (b"a: [", "is not YAML: line 2, column 1"),
        (b"spec: {1: 2}", "spec.1: is not a known field"),
        (b"spec: {proxy: yes}", "spec.proxy: must be one of auto, none, not 'yes'"),
        (b"spec: {proxy: {htp: x}}", "spec.proxy.htp: is not a known field; did you mean http?"),
        (b"apiVersion: v1", f"apiVersion: must be {API_VERSION}, not 'v1'"),
        (b"spec: {gpuOperator: {clusterPolicy: {1: 2}}}", None),
    ],
)
def test_each_wrong_document_gets_one_plain_sentence(text: bytes, expected: str | None) -> None:
    told = mistakes(text)
    assert len(told) == 1
    if expected:
        assert told[0] == expected


def test_the_error_counts_the_mistakes_and_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "gpu.yaml"
    file.write_text("speck: {}\nkind: 3\n")
    with pytest.raises(InvalidDocumentError, match=r"gpu.yaml: 2 mistakes: speck: .*; kind: "):
        config.load(file)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        config.load(tmp_path / "gpu.yaml")


@pytest.mark.parametrize(
    "text",
    [
        b"spec: {gpuOperator: {clusterPolicy: &a {x: *a}}}",
        LAUGHS,
    ],
    ids=["itself", "laughs"],
)
def test_a_document_that_unfolds_without_end_is_refused(text: bytes) -> None:
    assert mistakes(text) == ["is nested without end, or far too large"]


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "gpu.yaml"
    file.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigError, match="is no GpuPlatform document"):
        config.load(file)


def test_the_entitlement_s_path_starts_at_the_document(tmp_path: Path) -> None:
    file = tmp_path / "gpu.yaml"
    file.write_text("spec: {entitlement: {file: portal.zip}}\n")
    assert config.load(file).spec.entitlement.file == str(tmp_path / "portal.zip")
    file.write_text("spec: {entitlement: {file: ~nobody-like-this/portal.zip}}\n")
    assert config.load(file).spec.entitlement.file == str(tmp_path / "~nobody-like-this/portal.zip")
    file.write_text("spec: {entitlement: {file: /etc/portal.zip}}\n")
    assert config.load(file).spec.entitlement.file == "/etc/portal.zip"


def test_the_example_text_is_the_empty_document_and_names_every_field() -> None:
    text = config.example_text()
    assert config.parse(text.encode()) == GpuPlatform()
    assert max(map(len, text.splitlines())) <= 96
    for name in _field_names(config.json_schema()):
        assert f"{name}:" in text


def test_each_field_of_the_example_text_can_be_taken_into_use() -> None:
    for line in config.example_text().splitlines():
        name = line.strip().removeprefix("# ").partition(":")[0]
        if line.strip().startswith("# ") and name in _field_names(config.json_schema()):
            text = config.example_text().replace(line, line.replace("# ", "", 1), 1)
            assert config.parse(text.encode()).spec is not None


def _field_names(schema: dict[str, Any]) -> set[str]:
    parts = {k: v for k, v in schema["$defs"].items() if k not in ("Toleration", "ProxySpec")}
    names = {name for part in parts.values() for name in part["properties"]}
    return names - {"metadata", "name"}


def test_the_schema_is_valid_and_accepts_what_the_loader_accepts() -> None:
    schema = config.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(msgspec.json.encode(config.parse(FULL)))
    jsonschema.validate(document, schema)
    jsonschema.validate({}, schema)


@pytest.mark.parametrize(
    "document",
    [{"specs": {}}, {"spec": {"nfd": {"chanel": "x"}}}, {"spec": {"isolation": {"taint": "x"}}}],
)
def test_the_schema_refuses_what_the_loader_refuses(document: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, config.json_schema())
    with pytest.raises(InvalidDocumentError):
        config.from_value(document)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["auto"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["spec", "nfd", "channel", "proxy", "http", "isolation", "taint", "tolerations",
                 "operator", "gpuOperator", "driver", "clusterPolicy", "timeouts", "enable", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@given(value=_JSON)
def test_no_mistake_is_found_exactly_where_the_value_converts(value: Any) -> None:
    found = find_mistakes(value, GpuPlatform)
    try:
        msgspec.convert(value, GpuPlatform)
    except msgspec.ValidationError:
        assert found
    else:
        assert not found


@given(value=_JSON)
def test_whatever_the_document_holds_ends_in_a_document_or_one_error(value: Any) -> None:
    with contextlib.suppress(InvalidDocumentError):
        assert config.from_value(value).kind == KIND


@pytest.mark.parametrize(
    ("text", "expected"), [("auto", 7.0), ("90m", 5400.0), ("1h30m5s", 5405.0), ("45s", 45.0)]
)
def test_durations_are_seconds(text: str, expected: float) -> None:
    assert seconds(text, 7.0) == expected


def test_auto_and_nothing_leave_the_choice_to_the_default() -> None:
    assert [chosen(v, "d") for v in ("auto", "", "mine")] == ["d", "d", "mine"]


def test_every_exported_name_exists() -> None:
    for name in config.__all__:
        assert getattr(config, name) is not None
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = config.nothing_like_it


@pytest.mark.parametrize(
    ("mig", "expected"),
    [
        ("{strategy: none, layout: all-1g.5gb}", "mig.strategy: none offers whole cards, and"),
        ("{strategy: single, layout: all-balanced}", "mig.strategy: single wants parts of one"),
        ("{strategy: single, nodes: {a: all-balanced}}", "mig.strategy: single wants parts of"),
        ("{layout: '1g 5gb'}", "mig.layout: '1g 5gb' cannot be the value of a label"),
        ("{nodes: {a: ''}}", "mig.nodes.a: '' cannot be the value of a label"),
        ("{strategy: mixd}", "mig.strategy: must be one of"),
    ],
)
def test_a_layout_that_the_strategy_does_not_offer_is_a_mistake(mig: str, expected: str) -> None:
    (told,) = mistakes(f"spec: {{gpuOperator: {{mig: {mig}}}}}".encode())
    assert told.startswith(f"spec.gpuOperator.{expected}")


def test_layouts_that_fit_are_taken() -> None:
    text = b"spec: {gpuOperator: {mig: {strategy: none, layout: all-disabled}}}"
    assert config.parse(text).spec.gpu_operator.mig.given
    text = b"spec: {gpuOperator: {mig: {strategy: mixed, nodes: {a: all-balanced}}}}"
    assert config.parse(text).spec.gpu_operator.mig.nodes == {"a": "all-balanced"}


def test_a_licence_is_given_one_way() -> None:
    text = b"spec: {gpuOperator: {vgpu: {token: a.tok, secret: theirs}}}"
    (told,) = mistakes(text)
    assert told == (
        "spec.gpuOperator.vgpu: files and secret are two ways to give the licence; take one"
    )


def test_files_of_a_licence_start_at_the_document(tmp_path: Path) -> None:
    file = tmp_path / "gpu.yaml"
    file.write_text("spec: {gpuOperator: {vgpu: {token: a.tok, griddConf: /etc/gridd.conf}}}\n")
    vgpu = config.load(file).spec.gpu_operator.vgpu
    assert vgpu.files == (str(tmp_path / "a.tok"), "/etc/gridd.conf")
