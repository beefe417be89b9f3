"""What the portal's download holds, as values: commands that read none import no archives."""

from msgspec import Struct

from oc_gpu.kube.errors import ConfigError

WHERE_FROM = (
    "download the certificate anew: access.redhat.com/management/systems, a system with a "
    "subscription, Subscriptions, Download Certificates"
)


class EntitlementError(ConfigError):
    """The file given as entitlement cannot be used."""


class PemFile(Struct, frozen=True):
    """A PEM file and where it was; its content is never shown.

    Attributes:
        name: Path in the archive, or the file's own name.
        content: What it holds.
    """

    name: str
    content: bytes

    def __repr__(self) -> str:
        """Return the name only."""
        return f"PemFile({self.name!r})"


class Download(Struct, frozen=True):
    """What a file given as entitlement holds.

    Attributes:
        kind: `PEM` or `ZIP`.
        files: The PEM files that may be the one.
    """

    kind: str
    files: tuple[PemFile, ...]
