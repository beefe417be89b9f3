"""What the user wants: the GpuPlatform document, the taint, the entitlement certificate.

Names are imported when they are first used: a command that reads no file pays for none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oc_gpu.config.document import (
        AUTO,
        DriverSpec,
        EntitlementSpec,
        GpuOperatorSpec,
        GpuPlatform,
        ImagesSpec,
        IsolationSpec,
        Metadata,
        MigSpec,
        NfdSpec,
        ProxySpec,
        Spec,
        TimeoutsSpec,
        Toleration,
        VgpuSpec,
        chosen,
        seconds,
    )
    from oc_gpu.config.downloads import EntitlementError
    from oc_gpu.config.entitlement import (
        Entitlement,
        EntitlementReport,
        Secret,
        inspect_entitlement,
        read_entitlement,
    )
    from oc_gpu.config.licences import Licence, LicenceError, read_licence
    from oc_gpu.config.loading import (
        InvalidDocumentError,
        from_value,
        json_schema,
        load,
        parse,
    )
    from oc_gpu.config.taints import Taint, parse_taint
    from oc_gpu.config.text import example_text

_HOMES = {
    "downloads": ("EntitlementError",),
    "document": (
        "AUTO",
        "DriverSpec",
        "EntitlementSpec",
        "GpuOperatorSpec",
        "GpuPlatform",
        "ImagesSpec",
        "IsolationSpec",
        "Metadata",
        "MigSpec",
        "NfdSpec",
        "ProxySpec",
        "Spec",
        "TimeoutsSpec",
        "Toleration",
        "VgpuSpec",
        "chosen",
        "seconds",
    ),
    "entitlement": (
        "Entitlement",
        "EntitlementReport",
        "Secret",
        "inspect_entitlement",
        "read_entitlement",
    ),
    "licences": (
        "Licence",
        "LicenceError",
        "read_licence",
    ),
    "loading": (
        "InvalidDocumentError",
        "from_value",
        "json_schema",
        "load",
        "parse",
    ),
    "taints": (
        "Taint",
        "parse_taint",
    ),
    "text": ("example_text",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

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
    "Licence",
    "LicenceError",
    "Metadata",
    "MigSpec",
    "NfdSpec",
    "ProxySpec",
    "Secret",
    "Spec",
    "Taint",
    "TimeoutsSpec",
    "Toleration",
    "VgpuSpec",
    "chosen",
    "example_text",
    "from_value",
    "inspect_entitlement",
    "json_schema",
    "load",
    "parse",
    "parse_taint",
    "read_entitlement",
    "read_licence",
    "seconds",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{home}"), name)
