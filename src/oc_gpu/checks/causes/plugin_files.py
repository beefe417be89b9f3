"""Layer device-plugin: a file of configuration that no volume brings to the plugin."""

from itertools import chain

from oc_gpu.checks.case import Case
from oc_gpu.checks.catalogue import Results
from oc_gpu.checks.components import GFD, PLUGIN
from oc_gpu.checks.model import Evidence
from oc_gpu.checks.quotes import of_pod
from oc_gpu.checks.troubles import PULLING
from oc_gpu.snapshot.kinds import ContainerSpec


def unmounted(case: Case, says: str) -> Results:
    """Find plugins that fail as they are to read a file which no volume brings to them."""
    for one in case.troubles_of(PLUGIN, GFD, fails=True):
        for spec in one.pod.spec.every if one.state not in PULLING else ():
            path = _file_of(spec) if spec.name == one.container else ""
            if path and not _is_mounted(spec, path):
                where = f"spec of Pod/{one.pod.metadata.name}, {spec.name}"
                evidence = Evidence(where, f"reads {path}, and no volume is mounted there")
                return (of_pod(one.pod, says, (evidence,), 0.86, one.container),)
    return ()


def _file_of(spec: ContainerSpec) -> str:
    """Return the file that a plugin reads its configuration from, empty where it reads none."""
    words = [*spec.command, *spec.args]
    given = (word.partition("=")[2] for word in words if word.startswith("--config-file="))
    after = (words[n + 1] for n, word in enumerate(words[:-1]) if word == "--config-file")
    return spec.variable("CONFIG_FILE") or next(chain(given, after), "")


def _is_mounted(spec: ContainerSpec, path: str) -> bool:
    mounts = (f"{mount.mount_path.rstrip('/')}/" for mount in spec.volume_mounts)
    return any(f"{path}/".startswith(mount) for mount in mounts)
