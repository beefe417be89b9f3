"""What the user wants: the GpuPlatform document, the taint, the entitlement certificate."""

from oc_gpu.config.archives import EntitlementError
from oc_gpu.config.document import (
    AUTO,
    DriverSpec,
    EntitlementSpec,
    GpuOperatorSpec,
    GpuPlatform,
    ImagesSpec,
    IsolationSpec,
    Metadata,
    NfdSpec,
    ProxySpec,
    Spec,
    TimeoutsSpec,
    Toleration,
    chosen,
    seconds,
)
from oc_gpu.config.entitlement import (
    Entitlement,
    EntitlementReport,
    Secret,
    inspect_entitlement,
    read_entitlement,
)
from oc_gpu.config.loading import InvalidDocumentError, from_value, json_schema, load, parse
from oc_gpu.config.mistakes import Mistake
from oc_gpu.config.taints import Taint, parse_taint
from oc_gpu.config.text import example_text

__all__ = [
    "AUTO",
    "DriverSpec",
    "Entitlement",
    "EntitlementError",
    "EntitlementReport",
    "EntitlementSpec",
    "GpuOperatorSpec",
    "GpuPlatform",
    "ImagesSpec",
    "InvalidDocumentError",
    "IsolationSpec",
    "Metadata",
    "Mistake",
    "NfdSpec",
    "ProxySpec",
    "Secret",
    "Spec",
    "Taint",
    "TimeoutsSpec",
    "Toleration",
    "chosen",
    "example_text",
    "from_value",
    "inspect_entitlement",
    "json_schema",
    "load",
    "parse",
    "parse_taint",
    "read_entitlement",
    "seconds",
]
