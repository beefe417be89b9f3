"""OpenShift's service CA, as far as operators wait for it: certificates for their services."""

import base64
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Final

from oc_gpu.kube import RawObject, Resource
from oc_gpu.kube.resources import SECRETS
from oc_gpu.sim.actors.framework import Controller, Key, Watch
from oc_gpu.sim.actors.objects import annotations_of, is_terminating
from oc_gpu.sim.api.certificates import issue

_SERVICES: Final = Resource("", "v1", "services", "Service")
_WANTED: Final = "service.beta.openshift.io/serving-cert-secret-name"


class ServiceCertificates(Controller):
    """Makes the TLS Secret that a Service asks for by its annotation."""

    name = "service-ca"

    def watches(self) -> Sequence[Watch]:
        """Return services, and the Secrets that belong to them."""
        return (Watch(_SERVICES, self._asking), Watch(SECRETS, lambda _secret: ()))

    def _asking(self, service: RawObject) -> Iterable[Hashable]:
        return (Key.of(service),) if _WANTED in annotations_of(service) else ()

    async def reconcile(self, key: Any) -> None:
        """Make the Secret of one service, unless it is there."""
        service = self.cache(_SERVICES).get(key.name, key.namespace)
        if service is None or is_terminating(service):
            return
        name = annotations_of(service)[_WANTED]
        if self.cache(SECRETS).get(name, key.namespace) is not None:
            return
        made = issue((f"{key.name}.{key.namespace}.svc",))
        data = {"tls.crt": made.certificate, "tls.key": made.key}
        meta = service["metadata"]
        owner = {"apiVersion": "v1", "kind": "Service", "name": key.name, "uid": meta["uid"]}
        secret: RawObject = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": key.namespace, "ownerReferences": [owner]},
            "type": "kubernetes.io/tls",
            "data": {k: base64.b64encode(v.encode()).decode() for k, v in data.items()},
        }
        await self.context.create(SECRETS, secret, key.namespace)
