"""Jobs of users: what OpenShift's restricted-v2 admits, and that a pod's parts fit together."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from oc_gpu.manifests import jobs
from oc_gpu.manifests.jobs import Limits, Site, Task

TASK = Task(
    name="oc-gpu-run-train-1",
    namespace="me",
    image="quay.io/a/b:1",
    command=("python3", "/oc-gpu/script/train.py"),
    scripts={"train.py": b"print(1)\n"},
    limits=Limits({"nvidia.com/gpu": 1}, cpu="2", memory="8Gi"),
)
EVERYTHING = msgspec.structs.replace(TASK, files_in=True, files_out=True, queue="fast")
SITE = Site(
    tolerations=({"key": "nodetype", "value": "gpu", "effect": "NoSchedule"},),
    node_selector={"a": "b"},
    node="gpu-0",
    env=({"name": "HTTPS_PROXY", "value": "http://proxy:3128"},),
    ca=True,
    strict=True,
)
RESTRICTED_V2_VOLUMES = {
    # securitycontextconstraints restricted-v2 of OpenShift 4.11 and later, `volumes`
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
OWNER = {"metadata": {"name": TASK.name, "namespace": "me", "uid": "u-1"}}


def pod(task: Task, site: Site) -> dict[str, Any]:
    return dict(jobs.job(task, site)["spec"]["template"]["spec"])


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [*spec.get("initContainers", []), *spec["containers"]]


@pytest.mark.parametrize("task", [TASK, EVERYTHING])
@pytest.mark.parametrize("site", [Site(), SITE])
def test_every_pod_passes_restricted_v2(task: Task, site: Site) -> None:
    spec = pod(task, site)
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & spec.keys()
    assert spec["automountServiceAccountToken"] is False
    for volume in spec["volumes"]:
        assert volume.keys() - {"name"} <= RESTRICTED_V2_VOLUMES
    for container in containers(spec):
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert not {"privileged", "runAsUser"} & security.keys()


def test_a_namespace_that_admits_only_restricted_pods_is_promised_more() -> None:
    assert "securityContext" not in pod(TASK, Site())
    promised = pod(TASK, Site(strict=True))["securityContext"]
    assert promised == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


@pytest.mark.parametrize("task", [TASK, EVERYTHING])
@pytest.mark.parametrize("site", [Site(), SITE])
def test_every_mount_has_its_volume_and_every_config_map_is_made(task: Task, site: Site) -> None:
    spec = pod(task, site)
    names = {volume["name"] for volume in spec["volumes"]}
    mounted = {m["name"] for c in containers(spec) for m in c["volumeMounts"]}
    assert mounted == names
    made = {m["metadata"]["name"] for m in jobs.config_maps(task, site, OWNER)}
    assert {v["configMap"]["name"] for v in spec["volumes"] if "configMap" in v} == made


def test_a_plain_run_has_one_container_and_runs_the_command_itself() -> None:
    (main,) = containers(pod(TASK, Site()))
    assert main["command"] == ["python3", "/oc-gpu/script/train.py"]
    assert main["resources"] == {"limits": {"nvidia.com/gpu": "1", "cpu": "2", "memory": "8Gi"}}
    assert main["workingDir"] == jobs.WORK


def test_only_the_program_asks_for_gpus() -> None:
    asking = [c["name"] for c in containers(pod(EVERYTHING, SITE)) if c.get("resources")]
    assert asking == [jobs.MAIN]


def test_the_container_that_keeps_the_files_is_there_before_the_program() -> None:
    spec = pod(EVERYTHING, Site())
    assert [c["name"] for c in spec["containers"]] == [jobs.FILES_OUT, jobs.MAIN]
    main = spec["containers"][1]
    assert main["command"][:2] == ["sh", "-c"]
    assert main["command"][4:] == ["python3", "/oc-gpu/script/train.py"]
    assert {"name": "OC_GPU_OUTPUT", "value": jobs.OUTPUT} in main["env"]


def test_the_image_keeps_its_own_command_and_folder() -> None:
    (main,) = containers(pod(Task(name="x", namespace="me", image="quay.io/a/b:1"), Site()))
    assert not {"command", "workingDir"} & main.keys()
    assert main["env"] == main["volumeMounts"] == []


def test_what_the_user_sets_comes_last() -> None:
    task = msgspec.structs.replace(TASK, env={"HOME": "/elsewhere", "HTTPS_PROXY": ""})
    (main,) = containers(pod(task, SITE))
    last = {variable["name"]: variable["value"] for variable in main["env"]}
    assert last["HOME"] == "/elsewhere"
    assert last["HTTPS_PROXY"] == ""
    assert last["SSL_CERT_FILE"] == "/oc-gpu/ca/ca-bundle.crt"


def test_placement_follows_the_site() -> None:
    spec = pod(TASK, SITE)
    assert spec["tolerations"] == list(SITE.tolerations)
    assert spec["nodeSelector"] == {"a": "b"}
    assert "gpu-0" in str(spec["affinity"])
    assert not {"tolerations", "nodeSelector", "affinity"} & pod(TASK, Site()).keys()


def test_a_queue_admits_the_job_before_it_starts() -> None:
    made = jobs.job(EVERYTHING, Site())
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "fast"
    assert made["spec"]["suspend"] is True
    assert "suspend" not in jobs.job(TASK, Site())["spec"]


def test_it_starts_once_and_goes_by_itself() -> None:
    spec = jobs.job(TASK, Site())["spec"]
    assert spec["backoffLimit"] == 0
    assert spec["ttlSecondsAfterFinished"] > 0
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_only_a_simulation_is_asked_to_run_it_as_a_process() -> None:
    def notes(site: Site) -> Any:
        return jobs.job(TASK, site)["spec"]["template"]["metadata"].get("annotations")

    assert notes(Site()) is None
    assert notes(Site(simulated=True)) == {"oc-gpu.io/run-locally": "true"}


def test_config_maps_go_with_their_job_and_ask_for_the_clusters_certificates() -> None:
    script, bundle = jobs.config_maps(TASK, SITE, OWNER)
    for made in (script, bundle):
        assert made["metadata"]["ownerReferences"] == [
            {"apiVersion": "batch/v1", "kind": "Job", "name": TASK.name, "uid": "u-1"}
        ]
    assert script["binaryData"] == {"train.py": "cHJpbnQoMSkK"}
    assert bundle["metadata"]["labels"]["config.openshift.io/inject-trusted-cabundle"] == "true"
    assert "data" not in bundle


def test_the_simulator_knows_the_annotation() -> None:
    from oc_gpu.sim.local_pods import ANNOTATION  # noqa: PLC0415

    assert jobs.LOCALLY == ANNOTATION


def test_no_container_waits_for_ever(tmp_path: Path) -> None:
    """Both that wait give up when nobody comes; seen with sh itself, in a second instead of 15."""
    import subprocess  # noqa: PLC0415

    (tmp_path / "alive").write_text("")
    for script in (jobs.WAIT_IN, jobs.WAIT_OUT):
        quick = script.replace(jobs.CONTROL, str(tmp_path)).replace(str(jobs.PATIENCE), "0.2")
        done = subprocess.run(["sh", "-c", quick], timeout=20, check=False)
        assert done.returncode == 1
