"""How drivers, their managers and the kernel say what ails them, in words seldom heard."""

import pytest

from oc_gpu.checks.model import Severity
from tests.checks.patient import Patient

_LOGS = (
    ("dns-resolution-failed", "curl: (28) Resolving timed out after 10520 milliseconds"),
    (
        "dns-resolution-failed",
        "- Curl error (28): Timeout for https://cdn-ubi.redhat.com [Resolving timed out after 3 s]",
    ),
    ("dns-resolution-failed", "wget: unable to resolve host address 'us.download.nvidia.com'"),
    (
        "trusted-ca-missing",
        "E: Failed to fetch https://m.example.com/InRelease  No system certificates available.",
    ),
    (
        "driver-kernel-incompatible",
        "/usr/src/nvidia-550.54.15/kernel/nv-linux.h:21: fatal error: drm/drm_fb_helper.h: No such",
    ),
)
_KERNEL = (
    "NVRM: _kgspBootGspRm: (the GPU is likely in a bad state and may need to be reset)",
    "NVRM: kgspWaitForGfwBootOk_TU102: failed to wait for GFW boot complete: 0x65",
    "NVRM: Xid (PCI:0000:3b:00): 119, Timeout after 6s of waiting for RPC response from GPU0 GSP!",
)


@pytest.mark.parametrize(("cause", "line"), _LOGS)
def test_a_driver_says_it(cause: str, line: str) -> None:
    ill = Patient(openshift=False).fails("driver").log("driver", line)
    assert ill.diagnosis()[0].cause == cause
    well = Patient(openshift=False).log("driver", line)
    assert [one for one in well.diagnosis() if one.severity is Severity.ERROR] == []


@pytest.mark.parametrize("line", _KERNEL)
def test_the_kernel_says_that_a_card_does_not_start(line: str) -> None:
    ill = Patient(openshift=False).fails("validator", init="driver-validation").dmesg(line)
    assert ill.diagnosis()[0].cause == "rminitadapter-failed"
    well = Patient(openshift=False).dmesg(line)
    assert [one for one in well.diagnosis() if one.severity is Severity.ERROR] == []


def test_a_manager_that_cannot_resolve_the_api_server_has_no_names() -> None:
    line = (
        "Unable to connect to the server: dial tcp: lookup kubernetes.default.svc on 10.96.0.10:53"
    )
    made = Patient(openshift=False).fails("driver", init="k8s-driver-manager")
    said = made.log("driver", f"{line}: server misbehaving", container="k8s-driver-manager")
    assert said.diagnosis()[0].cause == "dns-resolution-failed"


def test_an_api_server_says_in_short_that_it_allows_no_privileged_pods() -> None:
    line = 'DaemonSet "x" is invalid: spec.containers[0].securityContext.privileged: Forbidden: dis'
    made = Patient(openshift=False).without("driver", "toolkit").policy().log("operator", line)
    assert made.diagnosis()[0].cause == "privileged-disallowed-apiserver"


@pytest.mark.parametrize("exceptions", ["localhost,.svc", "localhost,10.96.0.0/12"])
def test_a_call_of_the_api_server_that_ends_at_a_proxy(exceptions: str) -> None:
    for end in ("net/http: TLS handshake timeout", "EOF"):
        line = f'unable to start manager: Get "https://10.96.0.1:443/api?timeout=32s": {end}'
        made = Patient(openshift=False).fails("operator").log("operator", line)
        made.pod_of("operator")["spec"]["containers"][0]["env"] = [
            {"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"},
            {"name": "NO_PROXY", "value": exceptions},
        ]
        told = made.diagnosis()[0].cause == "no-proxy-missing-cluster-ip"
        assert told == exceptions.endswith(".svc")
