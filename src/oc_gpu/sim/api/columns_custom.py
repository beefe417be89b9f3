"""The columns of custom resources: those of their definitions, and of OpenShift's own kinds."""

import msgspec
from msgspec import Struct

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api import jsonpath
from oc_gpu.sim.api.columns import NAME, Cell, Column, Value, age
from oc_gpu.sim.api.store import KindKey

_UNDESCRIBED = "Custom resource definition column (in JSONPath format): "


class _Printer(Struct, frozen=True):
    """One printer column of a definition."""

    name: str
    type: str
    path: str
    priority: int = 0
    description: str = ""
    format: str = ""

    def column(self) -> Column:
        """Return the column; dates are shown as ages."""
        told = self.description or f"{_UNDESCRIBED}{self.path}"
        return Column(self.name, self._value(), self.type, self.priority, self.format, told)

    def _value(self) -> Value:
        def dated(obj: RawObject, now: float) -> Cell:
            moment = jsonpath.first(self.path, obj)
            return None if moment is None else age(moment, now)

        def plain(obj: RawObject, _now: float) -> Cell:
            found = jsonpath.first(self.path, obj)
            if self.type == "string" and found is not None and not isinstance(found, str):
                return msgspec.json.encode(found, order="sorted").decode()
            cell: Cell = found
            return cell

        return dated if self.type == "date" else plain


def of_definition(printers: tuple[RawObject, ...]) -> tuple[Column, ...]:
    """Return the columns for a definition's additionalPrinterColumns; none means the age."""
    if not printers:
        return (NAME, _AGE.column())
    return (
        NAME,
        *(
            _Printer(
                given["name"],
                given.get("type", "string"),
                given.get("jsonPath", ""),
                given.get("priority", 0),
                given.get("description", ""),
                given.get("format", ""),
            ).column()
            for given in printers
        ),
    )


def _condition(name: str, kind: str | None = None) -> _Printer:
    path = f'.status.conditions[?(@.type=="{kind or name}")].status'
    return _Printer(name, "string", path)


_AGE = _Printer("Age", "date", ".metadata.creationTimestamp")
_GENERATED_BY = (
    r".metadata.annotations.machineconfiguration\.openshift\.io/generated-by-controller-version"
)
_CONFIG, _MCO, _OLM = (
    "config.openshift.io",
    "machineconfiguration.openshift.io",
    "operators.coreos.com",
)

_PRINTERS: dict[KindKey, tuple[_Printer, ...]] = {
    (_MCO, "machineconfigs"): (
        _Printer("GeneratedByController", "string", _GENERATED_BY),
        _Printer("IgnitionVersion", "string", ".spec.config.ignition.version"),
        _AGE,
    ),
    (_MCO, "machineconfigpools"): (
        _Printer("Config", "string", ".status.configuration.name"),
        _condition("Updated"),
        _condition("Updating"),
        _condition("Degraded"),
        _Printer("MachineCount", "number", ".status.machineCount"),
        _Printer("ReadyMachineCount", "number", ".status.readyMachineCount"),
        _Printer("UpdatedMachineCount", "number", ".status.updatedMachineCount"),
        _Printer("DegradedMachineCount", "number", ".status.degradedMachineCount"),
        _AGE,
    ),
    (_CONFIG, "clusterversions"): (
        _Printer("Version", "string", '.status.history[?(@.state=="Completed")].version'),
        _condition("Available"),
        _condition("Progressing"),
        _Printer(
            "Since", "date", '.status.conditions[?(@.type=="Progressing")].lastTransitionTime'
        ),
        _Printer("Status", "string", '.status.conditions[?(@.type=="Progressing")].message'),
    ),
    (_CONFIG, "clusteroperators"): (
        _Printer("Version", "string", '.status.versions[?(@.name=="operator")].version'),
        _condition("Available"),
        _condition("Progressing"),
        _condition("Degraded"),
        _Printer("Since", "date", '.status.conditions[?(@.type=="Available")].lastTransitionTime'),
    ),
    (_OLM, "catalogsources"): (
        _Printer("Display", "string", ".spec.displayName"),
        _Printer("Type", "string", ".spec.sourceType"),
        _Printer("Publisher", "string", ".spec.publisher"),
        _AGE,
    ),
    (_OLM, "subscriptions"): (
        _Printer("Package", "string", ".spec.name"),
        _Printer("Source", "string", ".spec.source"),
        _Printer("Channel", "string", ".spec.channel"),
    ),
    (_OLM, "installplans"): (
        _Printer("CSV", "string", ".spec.clusterServiceVersionNames[0]"),
        _Printer("Approval", "string", ".spec.approval"),
        _Printer("Approved", "boolean", ".spec.approved"),
    ),
    (_OLM, "clusterserviceversions"): (
        _Printer("Display", "string", ".spec.displayName"),
        _Printer("Version", "string", ".spec.version"),
        _Printer("Replaces", "string", ".spec.replaces"),
        _Printer("Phase", "string", ".status.phase"),
    ),
    ("packages.operators.coreos.com", "packagemanifests"): (
        _Printer("Catalog", "string", ".status.catalogSourceDisplayName"),
        _AGE,
    ),
    ("image.openshift.io", "imagestreams"): (
        _Printer("Image Repository", "string", ".status.dockerImageRepository"),
        _Printer("Tags", "string", ".status.tags[0].tag"),
        _Printer("Updated", "date", ".status.tags[0].items[0].created"),
    ),
    ("security.openshift.io", "securitycontextconstraints"): (
        _Printer("Priv", "string", ".allowPrivilegedContainer"),
        _Printer("SELinux", "string", ".seLinuxContext.type"),
        _Printer("RunAsUser", "string", ".runAsUser.type"),
        _Printer("Priority", "string", ".priority"),
    ),
}
CUSTOM_COLUMNS: dict[KindKey, tuple[Column, ...]] = {
    key: (NAME, *(printer.column() for printer in printers)) for key, printers in _PRINTERS.items()
}
