"""What all verbs share: where requests go and where objects are looked for."""

from oc_gpu.kube.errors import Asked
from oc_gpu.kube.objects import Resource
from oc_gpu.kube.sending import Sender


class Session:
    """Base of the groups of verbs that make up a client."""

    namespace: str
    field_manager: str
    _sender: Sender

    def _asked(
        self,
        verb: str,
        resource: Resource,
        name: str | None,
        namespace: str | None,
        subresource: str | None = None,
    ) -> Asked:
        return Asked(verb, resource, name, namespace or self.namespace, subresource)
