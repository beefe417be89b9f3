"""The cluster-network-operator's part for proxies: it fills ConfigMaps that ask for trusted CAs."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from oc_gpu.kube import RawObject
from oc_gpu.kube.resources import CONFIGMAPS
from oc_gpu.sim.actors.framework import Controller, Key, Watch
from oc_gpu.sim.actors.objects import is_terminating, labels_of

_LABEL = "config.openshift.io/inject-trusted-cabundle"
_SOURCE = Key("openshift-config-managed", "trusted-ca-bundle")
_FILE = "ca-bundle.crt"


class TrustedBundles(Controller):
    """Writes the cluster's CA bundle into every ConfigMap that is labelled for it."""

    name = "cluster-network-operator"

    def watches(self) -> Sequence[Watch]:
        """Return ConfigMaps."""
        return (Watch(CONFIGMAPS, self._asking),)

    def _asking(self, config_map: RawObject) -> Iterable[Hashable]:
        if labels_of(config_map).get(_LABEL) == "true":
            yield Key.of(config_map)
        elif Key.of(config_map) == _SOURCE:
            for other in self.cache(CONFIGMAPS).list():
                if labels_of(other).get(_LABEL) == "true":
                    yield Key.of(other)

    async def reconcile(self, key: Any) -> None:
        """Fill one ConfigMap."""
        asking = self.cache(CONFIGMAPS).get(key.name, key.namespace)
        source = self.cache(CONFIGMAPS).get(_SOURCE.name, _SOURCE.namespace)
        if asking is None or source is None or is_terminating(asking):
            return
        wanted = {_FILE: (source.get("data") or {}).get(_FILE, "")}
        if (asking.get("data") or {}) != wanted:
            await self.context.patch(CONFIGMAPS, asking, {"data": wanted})
