"""The operand DaemonSets of GPU Operator 25.10, cut to what the node actor looks at."""

from typing import Any

from tests.sim_core.harness import workload

from oc_gpu.kube import RawObject

_VALIDATOR = "nvcr.io/nvidia/gpu-operator:v25.10.1"
_PLUGIN = "nvcr.io/nvidia/k8s-device-plugin@sha256:" + "50" * 32
_DRIVER = "nvcr.io/nvidia/driver@sha256:" + "83" * 32
_TOOLKIT = "quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:" + "5a" * 32
_WAIT = (
    "until [ -f /run/nvidia/validations/toolkit-ready ]; "
    "do echo waiting for nvidia container stack to be setup; sleep 5; done"
)


def _container(name: str, image: str, *args: str, **env: str) -> RawObject:
    variables = [{"name": k, "value": v} for k, v in env.items()]
    return {"name": name, "image": image, "args": list(args), "env": variables}


def _validation(step: str, **env: str) -> RawObject:
    return _container(f"{step}-validation", _VALIDATOR, "nvidia-validator", COMPONENT=step, **env)


def _barrier() -> RawObject:
    return {
        "name": "toolkit-validation",
        "image": _VALIDATOR,
        "command": ["sh", "-c"],
        "args": [_WAIT],
    }


def operands(node_selector: dict[str, str]) -> list[RawObject]:
    def daemon_set(name: str, *containers: RawObject, inits: list[RawObject]) -> RawObject:
        pod_spec: dict[str, Any] = {"initContainers": inits, "nodeSelector": node_selector}
        return workload("DaemonSet", name, *containers, pod_spec=pod_spec)

    return [
        daemon_set(
            "nvidia-driver-daemonset",
            _container("nvidia-driver-ctr", _DRIVER, "nv-ctr-run-with-dtk"),
            _container("openshift-driver-toolkit-ctr", _TOOLKIT),
            inits=[_container("k8s-driver-manager", _VALIDATOR, "uninstall_driver")],
        ),
        daemon_set(
            "nvidia-container-toolkit-daemonset",
            _container("nvidia-container-toolkit-ctr", _VALIDATOR),
            inits=[_validation("driver", WITH_WAIT="true")],
        ),
        daemon_set(
            "nvidia-device-plugin-daemonset",
            _container("nvidia-device-plugin", _PLUGIN),
            inits=[_barrier()],
        ),
        daemon_set(
            "gpu-feature-discovery",
            _container("gpu-feature-discovery", _PLUGIN),
            inits=[_barrier()],
        ),
        daemon_set(
            "nvidia-operator-validator",
            _container("nvidia-operator-validator", _VALIDATOR),
            inits=[
                _validation("driver"),
                _validation("toolkit"),
                _validation("cuda"),
                _validation("plugin", WITH_WORKLOAD="false"),
            ],
        ),
    ]
