"""Objects of config.openshift.io: version, infrastructure, proxy, cluster operators."""

from collections.abc import Iterator

from oc_gpu.kube import RawObject
from oc_gpu.sim.actors.objects import stable_hash, timestamp
from oc_gpu.sim.scenario import Network, ProxyFacts, Scenario

_API = "config.openshift.io/v1"
_DAY = 86400
_OPERATORS = (
    "authentication",
    "console",
    "dns",
    "image-registry",
    "ingress",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "machine-config",
    "marketplace",
    "monitoring",
    "network",
    "openshift-apiserver",
    "operator-lifecycle-manager",
    "operator-lifecycle-manager-catalog",
)
_METADATA_ADDRESS = "169.254.169.254"
_CLOUDS = ("AWS", "Azure", "GCP", "OpenStack")
_TOPOLOGY_SINCE = (4, 8)


def config_objects(scenario: Scenario, now: float) -> Iterator[RawObject]:
    """Yield the cluster's own description of itself."""
    installed = timestamp(now - _DAY)
    yield _cluster_version(scenario, now)
    yield _infrastructure(scenario)
    yield proxy_object(scenario)
    yield from _mirror_sets(scenario.network)
    for name in _OPERATORS:
        stored = name != "image-registry" or scenario.openshift.registry_storage
        yield _cluster_operator(name, scenario.openshift.version, installed, stored=stored)
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "trusted-ca-bundle", "namespace": "openshift-config-managed"},
        "data": {"ca-bundle.crt": "# certificate authorities that this cluster trusts\n"},
    }


def _mirror_sets(network: Network) -> Iterator[RawObject]:
    """Yield what tells the nodes where else to pull from, by digest and by tag."""
    for by in ("digest", "tag"):
        entries = [
            {
                "source": one.source,
                "mirrors": list(one.mirrors),
                "mirrorSourcePolicy": "AllowContactingSource",
            }
            for one in network.mirrors
            if by in one.pulled_by
        ]
        if entries:
            yield {
                "apiVersion": _API,
                "kind": f"Image{by.title()}MirrorSet",
                "metadata": {"name": f"mirrors-by-{by}"},
                "spec": {f"image{by.title()}Mirrors": entries},
            }


def _cluster_version(scenario: Scenario, now: float) -> RawObject:
    release = scenario.openshift
    done = timestamp(now - _DAY)
    desired = {"version": release.version, "image": release.release_image}
    history = {
        **desired,
        "state": "Completed",
        "startedTime": timestamp(now - _DAY - 2400),
        "completionTime": done,
        "verified": False,
    }
    version, coming = release.version, release.updating_to
    told = f"Working towards {coming}: 612 of 957 done (63% complete)"
    progressing = (
        ("Progressing", "True", "", told)
        if coming
        else ("Progressing", "False", "", f"Cluster version is {version}")
    )
    conditions = (
        ("Available", "True", "", f"Done applying {version}"),
        ("Failing", "False", "", ""),
        progressing,
        ("RetrievedUpdates", "True", "", ""),
    )
    histories = [history]
    if coming:
        desired = {**desired, "version": coming}
        started = {"state": "Partial", "startedTime": timestamp(now), "completionTime": None}
        histories = [{**history, **started, "version": coming}, history]
    return {
        "apiVersion": _API,
        "kind": "ClusterVersion",
        "metadata": {"name": "version"},
        "spec": {"channel": release.channel, "clusterID": release.cluster_id},
        "status": {
            "desired": desired,
            "history": histories,
            "observedGeneration": 1,
            "versionHash": stable_hash(desired, 11),
            "availableUpdates": None,
            "conditions": [_condition(*c, done) for c in conditions],
        },
    }


def _condition(kind: str, status: str, reason: str, message: str, since: str) -> RawObject:
    entry = {"type": kind, "status": status, "lastTransitionTime": since}
    return entry | {k: v for k, v in (("reason", reason), ("message", message)) if v}


def _infrastructure(scenario: Scenario) -> RawObject:
    release = scenario.openshift
    domain = f"{release.cluster_name}.{release.base_domain}"
    kind = "SingleReplica" if scenario.single_node else "HighlyAvailable"
    topology = {"controlPlaneTopology": kind, "infrastructureTopology": kind}
    return {
        "apiVersion": _API,
        "kind": "Infrastructure",
        "metadata": {"name": "cluster"},
        "spec": {"cloudConfig": {"name": ""}, "platformSpec": {"type": release.platform}},
        "status": {
            "apiServerInternalURI": f"https://api-int.{domain}:6443",
            "apiServerURL": f"https://api.{domain}:6443",
            "etcdDiscoveryDomain": domain,
            "infrastructureName": release.infrastructure_name,
            "platform": release.platform,
            "platformStatus": {"type": release.platform},
            **(topology if release.minor >= _TOPOLOGY_SINCE else {}),
        },
    }


def proxy_object(scenario: Scenario) -> RawObject:
    """Return the Proxy, whose status the cluster-network-operator fills; empty without one."""
    proxy = scenario.network.proxy
    used = proxy if proxy and proxy.configured else None
    spec: RawObject = {"trustedCA": {"name": ""}}
    status: RawObject = {}
    if used is not None:
        spec |= {"httpProxy": used.http_proxy, "httpsProxy": used.https_proxy}
        spec |= {"noProxy": used.no_proxy} if used.no_proxy else {}
        status = {
            "httpProxy": used.http_proxy,
            "httpsProxy": used.https_proxy,
            "noProxy": no_proxy(scenario, used),
        }
    return {
        "apiVersion": _API,
        "kind": "Proxy",
        "metadata": {"name": "cluster"},
        "spec": spec,
        "status": status,
    }


def no_proxy(scenario: Scenario, proxy: ProxyFacts) -> str:
    """Return what is reached directly: the user's list and everything inside the cluster."""
    release, network = scenario.openshift, scenario.network
    entries = {
        "127.0.0.1",
        "localhost",
        ".svc",
        ".cluster.local",
        f"api-int.{release.cluster_name}.{release.base_domain}",
        network.machine_cidr,
        network.cluster_cidr,
        network.service_cidr,
        *(part.strip() for part in proxy.no_proxy.split(",")),
    }
    if release.platform in _CLOUDS:
        entries.add(_METADATA_ADDRESS)
    return ",".join(sorted(entries - {""}))


def _cluster_operator(name: str, version: str, since: str, *, stored: bool = True) -> RawObject:
    states = [
        (kind, status, "AsExpected", "")
        for kind, status in (("Available", "True"), ("Progressing", "False"), ("Degraded", "False"))
    ]
    if not stored:
        why = ("StorageNotConfigured", "storage backend not configured")
        states[0], states[2] = ("Available", "False", *why), ("Degraded", "True", *why)
    return {
        "apiVersion": _API,
        "kind": "ClusterOperator",
        "metadata": {"name": name},
        "spec": {},
        "status": {
            "conditions": [
                *(_condition(*state, since) for state in states),
                _condition("Upgradeable", "True", "AsExpected", "", since),
            ],
            "versions": [{"name": "operator", "version": version}],
        },
    }
