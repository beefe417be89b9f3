"""A guess by words: what programs in trouble talk about, where no rule knows what they say.

Rules know the exact words of many releases; programs find new ones. What a line is about shows
before its exact meaning does: a driver that speaks of `gcc` has trouble with a compiler. Such a
guess stays below the confidence from which a finding is a cause.
"""

from collections.abc import Iterable, Mapping

from oc_gpu.checks.case import Case
from oc_gpu.checks.catalogue import LAYERS, Check, Result, found
from oc_gpu.checks.model import Finding, Severity
from oc_gpu.checks.quotes import Quote, find

GUESS = 0.46
"""Confidence of a guess by words."""

_SOURCES = ("log", "event", "state", "client")
"""Kernels name everything that they find, ill or not."""

ABOUT: Mapping[str, tuple[str, ...]] = {
    "webhook-unreachable": ("failed calling webhook", "admission webhook"),
    "leader-election-lost-apiserver": ("leader election", "renew lease", "etcdserver"),
    "apiserver-unreachable": ("the connection to the server", ":6443", "kubernetes.default"),
    "pod-network-broken": ("cni", "multus", "ovn-kubernetes", "network plugin", "no route to host"),
    "operator-oomkilled": ("oomkilled", "out of memory: killed process"),
    "rbac-missing-permission": ("is forbidden: user", "cannot list resource", "rbac"),
    "scc-rejected": ("security context constraint", "securitycontextconstraints"),
    "pod-security-rejected": ("podsecurity", "podsecuritypolicy", "violates policy"),
    "quota-priorityclass": ("exceeded quota", "insufficient quota", "priorityclass"),
    "selinux-denied": ("avc: *denied", "selinux", "security label"),
    "dns-resolution-failed": ("no such host", "name resolution", "server misbehaving", "nxdomain"),
    "proxy-unreachable": ("proxyconnect", "connect to proxy", "from proxy", "proxy error"),
    "registry-rate-limited": ("toomanyrequests", "too many requests", "rate limit"),
    "registry-auth-forbidden": (
        "unauthorized",
        "authentication required",
        "403 forbidden",
        "access denied",
        "pull secret",
        "imagepullsecret",
    ),
    "registry-ca-untrusted": ("pull*x509", "registry*certificate"),
    "registry-unreachable": ("pinging container registry", "/v2/*timeout", "/v2/*connection"),
    "trusted-ca-missing": (
        "certificate signed by unknown",
        "ssl certificate",
        "certificate verify failed",
        "self-signed certificate",
    ),
    "entitlement-missing": (
        "subscription-manager",
        "entitlement",
        "redhat.repo",
        "subscription-config",
        "cdn.redhat.com",
    ),
    "kernel-headers-not-found": (
        "kernel-headers",
        "kernel-devel",
        "linux-headers",
        "kernel source",
        "unable to find a match",
    ),
    "package-repo-unreachable": (
        "download metadata",
        "cannot download",
        "mirrorlist",
        "makecache",
        "apt-get update",
        "failed to fetch",
        "curl error",
    ),
    "drain-blocked-by-pdb": ("evict", "disruption budget", "failed to drain"),
    "node-disk-pressure": ("disk pressure", "diskpressure", "ephemeral-storage"),
    "olm-bundle-unpack-failed": ("bundle*unpack", "unpack*bundle"),
    "olm-catalogsource-unhealthy": ("catalogsource", "catalog source"),
    "nfd-crd-missing": ('no matches for kind "nodefeature', "nodefeature*requested resource"),
    "nfd-worker-cannot-reach-master": ("nfd-master*rpc error", "grpc*nfd", "nfd-master:8080"),
    "gfd-nodefeature-api-mismatch": ("nodefeature api", "node feature api"),
    "dtk-image-missing": ("driver-toolkit", "drivertoolkit"),
    "driver-image-tag-missing": ("manifest unknown", "manifest for", "no such manifest"),
    "precompiled-kernel-mismatch": ("precompiled*not", "pre-compiled*not"),
    "gcc-mismatch": ("gcc:", "gcc-", "compiler", "command-line option"),
    "driver-kernel-incompatible": (
        "implicit declaration",
        "too many arguments",
        "too few arguments",
        "undeclared",
        "incompatible pointer",
        "conftest",
        "kernel-open",
        "error while building",
        ".c:*error:",
    ),
    "kernel-variant-unsupported": ("kernel-rt", "real-time kernel", "64k", "/proc/version"),
    "secure-boot-enabled": (
        "key was rejected",
        "key not available",
        "mokutil",
    ),
    "nouveau-loaded": ("nouveau", "novacore", "nova_core"),
    "open-kernel-module-required": ("open kernel module", "open gpu kernel", "nvidia open"),
    "open-kernel-module-unsupported": ("openrmenableunsupportedgpus", "unsupported gpu"),
    "gpu-too-old-for-driver": ("legacy driver", "legacy gpu", "no longer support"),
    "vgpu-needs-guest-driver": ("grid driver", "guest driver"),
    "host-driver-installed": ("already installed", "host driver", "existing driver"),
    "driver-in-use-cannot-unload": (
        "could not unload",
        "is in use",
        "refcount",
        "reference count",
        "failed to uninstall",
    ),
    "module-load-failed-generic": (
        "could not insert",
        "modprobe: ",
        "insmod: ",
        "failed to load*module",
    ),
    "gpu-fallen-off-bus": ("fallen off the bus", "gpu is lost", "gpu has been lost"),
    "rminitadapter-failed": ("rminitadapter", "rm_init_adapter", "gsp", "failed to initialize*gpu"),
    "passthrough-bar-mmio": ("bar0", "bar1", "no space for [mem", "mmio"),
    "iommu-disabled": ("iommu",),
    "fabric-manager-nvlink5-prereq": ("nvlsm", "ib_umad", "nvl5", "infiniband device"),
    "fabric-manager-not-running": (
        "fabric manager",
        "fabricmanager",
        "nvswitch",
        "not yet initialized",
        "imex",
    ),
    "vgpu-license-server-failed": ("license server", "gridd", "acquire license"),
    "vgpu-unlicensed": ("unlicensed", "license"),
    "vgpu-wrong-package": ("vgpu-kvm", "vgpu-manager*missing"),
    "vgpu-config-failed": ("vgpu config", "vgpu device", "mdev"),
    "sandbox-validator-sriov": ("sriov", "sr-iov"),
    "sandbox-validation-device-in-use": ("vfio*busy", "device or resource busy"),
    "peermem-ofed-mismatch": ("peermem", "nv_peer_mem", "ib_register", "mofed", "mlx5"),
    "crio-hooks-dir-missing": ("hooks.d", "hooks_dir"),
    "crun-hook-regression": ("crun", "prestart hook", "createruntime hook"),
    "runtimeclass-not-applicable-crio": ("failed to find runtime handler", "runtime handler"),
    "toolkit-legacy-ldcache": ("ldcache", "ld.so.cache"),
    "toolkit-wrong-runtime": ("docker.sock", "daemon.json"),
    "toolkit-wrong-containerd-config": (
        "config.toml",
        "containerd.sock",
        'runtime for "nvidia"',
        'runtimehandler "nvidia"',
    ),
    "nvml-lost-after-daemon-reload": ("nvml: unknown error",),
    "runtime-not-injecting-driver": (
        "libnvidia-ml.so",
        "libcuda.so",
        "load nvml",
        "no cuda-capable device",
        "nvidia-smi*not found",
    ),
    "gpu-marked-unhealthy-xid": ("unhealthy",),
    "mig-monitor-env-missing": ("nvidia-caps", "mig_monitor"),
    "mig-strategy-mismatch": ("mig strategy", "mig*strategy", "mig*mixed", "mig*single"),
    "mig-mode-needs-reboot": ("mig*reboot", "mig*reset", "pending mig"),
    "mig-config-failed": ("mig config", "mig-parted", "mig_config", "migconfig"),
    "mig-enabled-no-devices": ("mig devices", "mig enabled", "mig mode"),
    "device-plugin-config-symlink": ("config-manager", "symlink"),
    "device-plugin-configmap-missing": ("configmap*not found",),
    "cuda-driver-insufficient": ("driver version is insufficient", "unsatisfied condition: cuda"),
    "dcgm-profiling-failed": ("profiling", "dcp metrics", "dcgm*module"),
    "cuda-init-error": ("cuda error", "initialization error", "cudagetdevicecount", "error code"),
    "unsupported-runtime-os": ("distribution*not supported", "unsupported distribution"),
    "unsupported-version-matrix": (
        "no matches for kind",
        "could not find the requested resource",
        "minkubeversion",
        "deprecated api",
    ),
}
"""What programs in trouble talk about where a cause is at work; `*` stands for anything.

Left out is what the stack's own programs say in each start, as a driver that names its compiler.
"""


def guesses(case: Case, checks: Iterable[Check[Case]]) -> tuple[Finding, ...]:
    """Return the cause that what is said in a cluster in trouble is about, if it is about any.

    The cause with most of its words wins, of several the one of the lowest layer.

    Args:
        case: The cluster.
        checks: The checks of causes, of which the guess takes explanation and remedy.
    """
    told = [(one, _said(case, ABOUT[one.cause])) for one in checks if one.cause in ABOUT]
    check, quotes = max(told, key=lambda pair: (len(pair[1]), -LAYERS.index(pair[0].layer)))
    if not quotes:
        return ()
    objects = tuple(dict.fromkeys(f"Pod/{q.pod.metadata.name}" for q in quotes if q.pod))
    evidence = tuple(dict.fromkeys(quote.evidence for quote in quotes))[:3]
    title = f"what is said is about a cause of this kind: {check.says}"
    guess = Result(Severity.ERROR, title, None, objects[:4], evidence, confidence=GUESS)
    return (found(check, guess),)


def _said(case: Case, phrases: Iterable[str]) -> list[Quote]:
    """Return for each phrase that somebody in trouble says who says it."""
    first = (
        next((q for q in find(case, (phrase,), None, _SOURCES) if q.live), None)
        for phrase in phrases
    )
    return [quote for quote in first if quote is not None]
