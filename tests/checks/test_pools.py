"""What a degraded pool says, in words of the machine-config-operator of several releases."""

import pytest

from tests.checks.ailments import pool

_NODE = "Node gpu-0 is reporting: "
SAID = {
    "mcp-config-drift": (
        'unexpected on-disk state: content mismatch for file "/etc/a"',
        'unexpected on-disk state validating against rendered-a: mode mismatch for file: "/etc/a"',
        (
            "unexpected on-disk state validating against rendered-a: missing expected kernel "
            "arguments: [intel_iommu=on]"
        ),
        "state validation: invalid unit masked setting. path: /etc/systemd/system/a.service",
    ),
    "mcp-bad-machineconfig": (
        (
            "can't reconcile config rendered-a with rendered-b: ignition disks section contains "
            "changes"
        ),
        (
            "the update is not reconcilable: detected change to FIPS flag; "
            "refusing to modify FIPS on a running cluster"
        ),
        'error enabling units: Failed to enable unit: Unit file "gpu.service" does not exist',
        "could not write systemd units: failed to write systemd unit gpu.service",
        "failed adding karg: error running rpm-ostree kargs: exit status 1",
        "found an append section when writing files. Append is not supported",
        'could not decode file "/etc/a": unsupported compression type "zstd"',
        "unhandled kernel type realtim",
    ),
    "mcp-degraded-other": (
        "error running rpm-ostree rebase: exit status 1",
        "failed to remove pending deployment: exit status 77",
    ),
}


@pytest.mark.parametrize(
    ("cause", "said"), [(cause, said) for cause, every in SAID.items() for said in every]
)
def test_a_reason_tells_of_its_cause(cause: str, said: str) -> None:
    assert pool(_NODE + said).diagnosis()[0].cause == cause
