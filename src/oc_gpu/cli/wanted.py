"""What the user wants: the document, with what the command line says put over it."""

import sys

from msgspec.structs import replace

from oc_gpu import config
from oc_gpu.cli.settings import Settings
from oc_gpu.config import Entitlement, GpuPlatform
from oc_gpu.rollout.survey import Wish
from oc_gpu.stages.model import Allowed


def wish(settings: Settings) -> Wish:
    """Return what the user wants, with certificate and licence read and found good.

    Raises:
        ConfigError: Document, taint, certificate or licence cannot be used.
    """
    document = platform(settings)
    return Wish(
        document,
        entitlement(document),
        Allowed(
            adopt=settings.adopt,
            force_conflicts=settings.force_conflicts,
            evict_workloads=settings.evict_workloads,
            remove_finalizers=settings.remove_finalizers,
        ),
        config.read_licence(document.spec.gpu_operator.vgpu),
    )


def platform(settings: Settings) -> GpuPlatform:
    """Return the GpuPlatform document of the command line.

    Raises:
        ConfigError: The document or the taint has mistakes.
    """
    document = _document(settings.config)
    spec = document.spec
    if settings.taint is not None:
        taint = str(config.parse_taint(settings.taint))
        spec = replace(spec, isolation=replace(spec.isolation, taint=taint))
    if settings.entitlement is not None:
        spec = replace(spec, entitlement=replace(spec.entitlement, file=settings.entitlement))
    return replace(document, spec=spec)


def _document(path: str | None) -> GpuPlatform:
    if path is None:
        return GpuPlatform()
    if path == "-":
        return config.parse(sys.stdin.buffer.read(), name="stdin")
    return config.load(path)


def entitlement(document: GpuPlatform) -> Entitlement | None:
    """Return the certificate that the document names, None when it names none.

    Raises:
        EntitlementError: It cannot be used.
    """
    file = document.spec.entitlement.file
    return config.read_entitlement(file) if file else None


def limit(settings: Settings, chosen: str, default: float) -> float:
    """Return the seconds that something may take: option, then document, then default."""
    return settings.timeout or config.seconds(chosen, default)
