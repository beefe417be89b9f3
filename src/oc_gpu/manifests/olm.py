"""What Operator Lifecycle Manager needs to install an operator."""

from msgspec import Struct

from oc_gpu.kube import RawObject
from oc_gpu.manifests.labels import labels

CATALOG_NAMESPACE = "openshift-marketplace"


class Wanted(Struct, frozen=True, kw_only=True):
    """An operator to subscribe to.

    Attributes:
        package: Name of the package, and of the Subscription.
        channel: Channel.
        csv: CSV to start with.
        namespace: Where the operator is to run.
        catalog: CatalogSource.
        catalog_namespace: Its namespace.
        pinned: Stay at this CSV: upgrades wait for an approval.
    """

    package: str
    channel: str
    csv: str
    namespace: str
    catalog: str
    catalog_namespace: str = CATALOG_NAMESPACE
    pinned: bool = False


def _approval(wanted: Wanted) -> RawObject:
    """Return how upgrades go; only a pinned CSV is named, for OLM moves the others on."""
    if wanted.pinned:
        return {"installPlanApproval": "Manual", "startingCSV": wanted.csv}
    return {"installPlanApproval": "Automatic"}


def operator_group(namespace: str, stage: str) -> RawObject:
    """Return the OperatorGroup for a namespace of its own, which it is named after."""
    return {
        "apiVersion": "operators.coreos.com/v1",
        "kind": "OperatorGroup",
        "metadata": {"name": namespace, "namespace": namespace, "labels": labels(stage)},
        "spec": {"targetNamespaces": [namespace]},
    }


def subscription(wanted: Wanted, stage: str) -> RawObject:
    """Return the Subscription to an operator."""
    return {
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "Subscription",
        "metadata": {
            "name": wanted.package,
            "namespace": wanted.namespace,
            "labels": labels(stage),
        },
        "spec": {
            "name": wanted.package,
            "channel": wanted.channel,
            "source": wanted.catalog,
            "sourceNamespace": wanted.catalog_namespace,
            **_approval(wanted),
        },
    }
