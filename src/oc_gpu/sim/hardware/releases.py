"""NVIDIA driver branches: CUDA version, supported architectures, forms of nvidia-smi's output.

Architectures and CUDA versions follow NVIDIA's release notes of each branch; the output forms
follow captured outputs of those branches.
"""

from msgspec import Struct

ARCHITECTURES = (
    "Kepler",
    "Maxwell",
    "Pascal",
    "Volta",
    "Turing",
    "Ampere",
    "Ada Lovelace",
    "Hopper",
    "Blackwell",
)


class Branch(Struct, frozen=True):
    """A driver branch and the range of architectures it drives."""

    number: int
    cuda: str
    oldest: str
    newest: str


_BRANCHES = (
    Branch(418, "10.1", "Kepler", "Turing"),
    Branch(440, "10.2", "Kepler", "Turing"),
    Branch(450, "11.0", "Kepler", "Ampere"),
    Branch(460, "11.2", "Kepler", "Ampere"),
    Branch(470, "11.4", "Kepler", "Ampere"),
    Branch(510, "11.6", "Maxwell", "Ampere"),
    Branch(515, "11.7", "Maxwell", "Ampere"),
    Branch(525, "12.0", "Maxwell", "Hopper"),
    Branch(535, "12.2", "Maxwell", "Hopper"),
    Branch(550, "12.4", "Maxwell", "Hopper"),
    Branch(560, "12.6", "Maxwell", "Hopper"),
    Branch(570, "12.8", "Maxwell", "Blackwell"),
    Branch(575, "12.9", "Maxwell", "Blackwell"),
    Branch(580, "13.0", "Maxwell", "Blackwell"),
    Branch(590, "13.1", "Turing", "Blackwell"),
    Branch(595, "13.2", "Turing", "Blackwell"),
    Branch(610, "13.3", "Turing", "Blackwell"),
)


class Release(Struct, frozen=True):
    """A driver version with what follows from its branch."""

    version: str
    branch: Branch
    cuda: str

    @property
    def number(self) -> int:
        """Return the branch as a number, for instance 450."""
        return int(self.version.split(".", maxsplit=1)[0])

    @property
    def dtd(self) -> int:
        """Return the version of the XML document type."""
        limits = ((450, 10), (530, 11), (560, 12))
        return next((dtd for below, dtd in limits if self.number < below), 13)

    def drives(self, architecture: str) -> bool:
        """Tell whether cards of this architecture work with the driver."""
        wanted = _rank(architecture)
        return _rank(self.branch.oldest) <= wanted <= _rank(self.branch.newest)

    def dropped(self, architecture: str) -> bool:
        """Tell whether cards of this architecture are too old for the driver."""
        return _rank(architecture) < _rank(self.branch.oldest)

    def last_branch(self, architecture: str) -> int:
        """Return the newest branch that drives cards of an architecture."""
        wanted = _rank(architecture)
        return max((b.number for b in _BRANCHES if _rank(b.oldest) <= wanted), default=0)


def release(version: str, cuda: str | None = None) -> Release:
    """Return what is known of a driver version; a branch not listed is like the one before it."""
    number = int(version.split(".", maxsplit=1)[0])
    older = [b for b in _BRANCHES if b.number <= number]
    branch = older[-1] if older else _BRANCHES[0]
    return Release(version, branch, cuda or branch.cuda)


def _rank(architecture: str) -> int:
    names = [a.lower().split()[0] for a in ARCHITECTURES]
    first = architecture.lower().replace("-", " ").split()[0]
    return names.index(first) if first in names else len(names)
