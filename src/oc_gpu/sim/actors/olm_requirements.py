"""What a CSV says of its requirements, as OLM words it. Pure."""

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.objects import is_true
from oc_gpu.sim.bundles import OwnedCrd


def crd_requirement(owned: OwnedCrd, crd: RawObject | None) -> RawObject:
    """Return the entry for a kind that the operator owns."""
    entry = {
        "group": "apiextensions.k8s.io",
        "version": "v1",
        "kind": "CustomResourceDefinition",
        "name": owned.name,
    }
    if crd is None:
        return entry | {"status": "NotPresent", "message": "CRD is not present"}
    if not is_true(crd, "Established"):
        text = "CRD is present but the Established condition is False (not available)"
        return entry | {"status": "NotAvailable", "message": text}
    text = "CRD is present and Established condition is true"
    return entry | {"status": "Present", "message": text, "uuid": crd["metadata"]["uid"]}


def account_requirement(name: str, account: RawObject | None) -> RawObject:
    """Return the entry for a ServiceAccount that the operator runs as."""
    entry = {"group": "", "version": "v1", "kind": "ServiceAccount", "name": name}
    if account is None:
        text = "Service account does not exist"
        return entry | {"status": "NotPresent", "message": text}
    return entry | {"status": "Present", "message": ""}
