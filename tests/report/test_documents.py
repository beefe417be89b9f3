"""What programs read: JSON with a published schema, and nothing secret in it."""

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest
from inline_snapshot import snapshot

from oc_gpu.checks.doctor import CHECKS
from oc_gpu.report import doctor, documents, output, schemas, simulations, walk
from tests.checks.ailments import AILMENTS
from tests.report import samples
from tests.report.test_texts import CHECK, PLAN, STATUS

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"
PATIENT = AILMENTS["driver-in-use-cannot-unload"][0]()
EXAMPLES = (
    CHECK,
    STATUS,
    PLAN,
    doctor.document(PATIENT.snapshot(), PATIENT.diagnosis(), openshift="4.16.10"),
    documents.Gathered(
        bundle="made",
        server="s",
        bytes=7,
        logs=2,
        objects={"nodes": 3},
        unread=(documents.GatheredSource(name="pods", reason="forbidden"),),
    ),
    doctor.explanation(CHECKS[0]),
    walk.document("Enable", samples.CLUSTER, samples.OUTCOME),
    documents.Certificates(
        path="e.zip",
        form="ZIP",
        chosen="1.pem",
        certificates=(documents.Certificate(name="1.pem", serial="3474621038742613412"),),
    ),
    documents.Trial(works=True, engine="podman", image="ubi8", packages=("kernel-devel-4",)),
    documents.JobRun(
        cluster=samples.CLUSTER,
        job="oc-gpu-run-train-1",
        namespace="me",
        state="ended",
        image="quay.io/a/b:1",
        resources={"nvidia.com/gpu": "1"},
        exit_code=3,
        files=("model.pt",),
    ),
    simulations.Simulations(
        items=(
            simulations.Simulation(name="a", scenario="seed", kubeconfig="/k", pid=7, server="s"),
        )
    ),
    simulations.Faults(name="a", items=(simulations.Fault(name="nouveau", says="b", active=True),)),
    simulations.Started(name="a", scenario="seed", kubeconfig="/k", pid=7, server="s"),
)


@pytest.mark.parametrize("document", EXAMPLES, ids=lambda d: type(d).__name__)
def test_document_matches_its_published_schema(document: documents.Document) -> None:
    schema = json.loads((FOLDER / schemas.file_name(type(document))).read_text())
    value = json.loads(output.encode(document, "json"))
    jsonschema.Draft202012Validator(schema).validate(value)
    assert value["schemaVersion"] == "1"


def test_every_document_has_an_example_here() -> None:
    assert {type(example) for example in EXAMPLES} == {*documents.DOCUMENTS, *simulations.DOCUMENTS}


def test_published_schemas_are_those_of_the_models() -> None:
    made = schemas.files()
    published = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert published == made, "run: python -m oc_gpu.report.schemas docs/schemas"


def test_schema_refuses_a_document_without_its_required_fields() -> None:
    schema = json.loads(schemas.files()["status.json"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({"kind": "Status"})


def test_objects_that_are_due_stay_out_of_every_document() -> None:
    for document in EXAMPLES:
        assert samples.SECRET not in output.encode(document, "json")


def test_yaml_holds_the_same_as_json() -> None:
    value = msgspec.yaml.decode(output.encode(STATUS, "yaml"))
    assert value == json.loads(output.encode(STATUS, "json"))


def test_status_as_json() -> None:
    assert output.encode(STATUS, "json") == snapshot("""\
{
  "schemaVersion": "1",
  "simulated": true,
  "kind": "Status",
  "cluster": {
    "server": "https://api.gpu44.example.com:6443",
    "openshift": "4.4.33",
    "kubernetes": "v1.17.1"
  },
  "done": false,
  "stages": [
    {
      "stage": "entitlement",
      "title": "Entitlement",
      "state": "waiting",
      "milestone": "pool worker updated",
      "detail": "1 of 3 nodes updated, worker02 reboots",
      "hints": [],
      "cause": null,
      "objects": [],
      "reached": 2,
      "total": 4
    },
    {
      "stage": "nfd",
      "title": "Node Feature Discovery",
      "state": "done",
      "milestone": "",
      "detail": "",
      "hints": [],
      "cause": null,
      "objects": [],
      "reached": 4,
      "total": 4
    },
    {
      "stage": "gpu-operator",
      "title": "GPU Operator",
      "state": "blocked",
      "milestone": "operator installed",
      "detail": "Subscription/gpu-operator-certified exists and belongs to Argo CD gpu",
      "hints": [
        "change it through Argo CD gpu, or remove it and run the command again"
      ],
      "cause": null,
      "objects": [],
      "reached": 0,
      "total": 5
    },
    {
      "stage": "isolation",
      "title": "Isolation",
      "state": "not needed",
      "milestone": "",
      "detail": "no taint was asked for",
      "hints": [],
      "cause": null,
      "objects": [],
      "reached": 0,
      "total": 0
    }
  ],
  "nodes": [
    {
      "name": "worker03",
      "ready": true,
      "product": "Tesla-T4",
      "driver": "450.80.02",
      "capacity": 1,
      "allocatable": 1,
      "taints": [
        "nodetype=gpu:NoSchedule"
      ]
    }
  ],
  "operands": [
    {
      "name": "nvidia-driver-daemonset",
      "namespace": "gpu-operator-resources",
      "wanted": 1,
      "ready": 1
    }
  ]
}
""")
