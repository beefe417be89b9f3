"""What short-lived pods have in common."""

from oc_gpu.kube import RawObject


def security() -> RawObject:
    """Return a container's security context without any privilege.

    It names no user: the images run as root where nobody says otherwise, an OpenShift project
    gives each pod a user of its own, and either works.
    """
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }


def on_node(node: str) -> RawObject:
    """Return an affinity to one node; unlike spec.nodeName it leaves the scheduler in charge.

    The match is on the node's name, which its hostname label need not repeat.
    """
    expression = {"key": "metadata.name", "operator": "In", "values": [node]}
    return {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchFields": [expression]}]
            }
        }
    }
