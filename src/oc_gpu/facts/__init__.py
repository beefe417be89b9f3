"""What is true of OpenShift, NFD, GPU Operator, driver and card releases.

The facts are data files (`data/*.yaml`), each entry with its source and date; here are the
lookups. They are read when they are first asked for. See docs/facts.md for adding a release.
"""

from oc_gpu.facts.drivers import (
    DriverChoice,
    chooses_modules,
    cuda_sample,
    driver_branch,
    driver_for,
    drivers,
    drives,
    fitting_branch,
    is_older,
    pytorch_image,
    wrong_modules,
)
from oc_gpu.facts.entitlement import Decision, entitlement_needed, trial_image
from oc_gpu.facts.gpu import (
    Offer,
    OperatorChoice,
    choose_gpu_operator,
    gpu_labels,
    gpu_operator,
    gpu_operator_release,
    gpu_operator_releases,
)
from oc_gpu.facts.model import (
    CudaSample,
    DriverBranch,
    DriverImage,
    EntitlementRule,
    GpuLabels,
    GpuOperatorRelease,
    NfdOperand,
    NfdRelease,
    OpenShiftRelease,
    Operand,
    OperatorEra,
)
from oc_gpu.facts.openshift import choose_nfd_channel, openshift_release, openshift_releases
from oc_gpu.facts.ownership import owners
from oc_gpu.facts.versions import is_version

__all__ = [
    "CudaSample",
    "Decision",
    "DriverBranch",
    "DriverChoice",
    "DriverImage",
    "EntitlementRule",
    "GpuLabels",
    "GpuOperatorRelease",
    "NfdOperand",
    "NfdRelease",
    "Offer",
    "OpenShiftRelease",
    "Operand",
    "OperatorChoice",
    "OperatorEra",
    "choose_gpu_operator",
    "choose_nfd_channel",
    "chooses_modules",
    "cuda_sample",
    "driver_branch",
    "driver_for",
    "drivers",
    "drives",
    "entitlement_needed",
    "fitting_branch",
    "gpu_labels",
    "gpu_operator",
    "gpu_operator_release",
    "gpu_operator_releases",
    "is_older",
    "is_version",
    "openshift_release",
    "openshift_releases",
    "owners",
    "pytorch_image",
    "trial_image",
    "wrong_modules",
]
