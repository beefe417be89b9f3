"""The Deployment of an operator, as OLM makes it out of a CSV. Pure."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.objects import annotations_of, name_of, namespace_of, stable_hash
from oc_gpu.sim.actors.olm_names import csv_reference, owner_labels

_PROXY_KEYS = {"HTTP_PROXY": "httpProxy", "HTTPS_PROXY": "httpsProxy", "NO_PROXY": "noProxy"}
_HASH_LENGTH = 38
_CONDITION_NAME_SINCE = (4, 8)


def deployments(
    csv: RawObject, subscription: RawObject | None, proxy: RawObject | None, minor: tuple[int, int]
) -> list[RawObject]:
    """Return the Deployments of a CSV.

    Args:
        csv: The ClusterServiceVersion, with its OperatorGroup's annotations.
        subscription: Its Subscription, for spec.config.
        proxy: The cluster's Proxy, for the environment.
        minor: OpenShift release.
    """
    config: RawObject = ((subscription or {}).get("spec") or {}).get("config") or {}
    env = [*proxy_env(config, proxy), *(config.get("env") or [])]
    if minor >= _CONDITION_NAME_SINCE:
        env.append({"name": "OPERATOR_CONDITION_NAME", "value": name_of(csv)})
    entries = csv["spec"]["install"]["spec"]["deployments"]
    return [_deployment(csv, entry, config, env) for entry in entries]


def proxy_env(config: Mapping[str, Any], proxy: RawObject | None) -> list[RawObject]:
    """Return the proxy's variables, none when the Subscription names any of them itself."""
    given = {e["name"] for e in config.get("env") or []}
    if given & set(_PROXY_KEYS):
        return []
    status: RawObject = (proxy or {}).get("status") or {}
    return [{"name": n, "value": status[k]} for n, k in _PROXY_KEYS.items() if status.get(k)]


def _deployment(
    csv: RawObject, entry: RawObject, config: RawObject, env: Sequence[RawObject]
) -> RawObject:
    spec = copy.deepcopy(entry["spec"])
    template = spec["template"]
    notes = {**(template["metadata"].get("annotations") or {}), **annotations_of(csv)}
    template["metadata"]["annotations"] = notes
    pod = template["spec"]
    for key in ("nodeSelector", "affinity"):
        if config.get(key):
            pod[key] = config[key]
    if config.get("tolerations"):
        pod["tolerations"] = [*(pod.get("tolerations") or []), *config["tolerations"]]
    for container in pod["containers"]:
        container["env"] = _merged(container.get("env") or [], env)
        if config.get("resources"):
            container["resources"] = config["resources"]
    spec.setdefault("revisionHistoryLimit", 1)
    component = {
        k: v for k, v in csv["metadata"]["labels"].items() if k.startswith("operators.coreos.com/")
    }
    own = {"olm.deployment-spec-hash": stable_hash(spec, _HASH_LENGTH)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": entry["name"],
            "namespace": namespace_of(csv),
            "labels": {**(entry.get("label") or {}), **own, **owner_labels(csv), **component},
            "ownerReferences": [csv_reference(csv)],
        },
        "spec": spec,
    }


def _merged(first: Sequence[RawObject], second: Sequence[RawObject]) -> list[RawObject]:
    by_name = {e["name"]: e for e in first} | {e["name"]: e for e in second}
    return list(by_name.values())
