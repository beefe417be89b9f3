"""`nvidia-smi` as a command: chooses table, list, XML or CSV, or says why it cannot answer."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from oc_gpu.sim.hardware import smi_query, smi_table, smi_xml
from oc_gpu.sim.hardware.images import loaded_release
from oc_gpu.sim.hardware.model import DRIVER, TOOLKIT, View
from oc_gpu.sim.hardware.releases import Release
from oc_gpu.sim.hardware.smi_card import Card, cards_of

NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running."
)
NO_DEVICES = "No devices were found"
_DRIVER_CONTAINER = "nvidia-driver-ctr"


class Answer(Struct, frozen=True):
    """Result of a command: both streams and the exit code."""

    out: str = ""
    err: str = ""
    code: int = 0


def run(view: View, arguments: Sequence[str]) -> Answer:
    """Answer one call of nvidia-smi inside a container."""
    if not _is_there(view):
        return Answer(err="sh: nvidia-smi: command not found", code=127)
    if view.driver is None:
        return Answer(out=NO_DRIVER, code=9)
    release = loaded_release(view.scenario, view.driver)
    cards = cards_of(view, release)
    lost = next((c for c in cards if c.device.lost), None)
    if lost is not None:
        text = f"Unable to determine the device handle for GPU {lost.bus_id}: GPU is lost.  "
        return Answer(out=f"{text}Reboot the system to recover this GPU", code=15)
    if not cards:
        return Answer(out=NO_DEVICES, code=6)
    return _answer(view, release, cards, list(arguments))


def _answer(view: View, release: Release, cards: tuple[Card, ...], args: list[str]) -> Answer:
    options, unknown = _options(args)
    if unknown is not None:
        text = f"Invalid combination of input arguments ({unknown}). Run 'nvidia-smi -h' for help."
        return Answer(out=text, code=2)
    wanted = options.get("-i")
    if wanted is not None:
        cards = tuple(c for c in cards if wanted in {str(c.index), c.uuid, c.bus_id})
        if not cards:
            return Answer(out=NO_DEVICES, code=6)
    if "-L" in options:
        return Answer(out="\n".join(line for card in cards for line in _listed(card)))
    if "--query-gpu" in options:
        text, code = smi_query.answer(
            cards, release, options["--query-gpu"], options.get("--format", "csv")
        )
        return Answer(out=text, code=code)
    if "-q" in options:
        return Answer(out=smi_xml.document(cards, release, view.now))
    return Answer(out=smi_table.table(cards, release, view.now))


def _listed(card: Card) -> Iterator[str]:
    yield f"GPU {card.index}: {card.name} (UUID: {card.uuid})"
    for number, part in enumerate(card.parts):
        yield f"  MIG {part.profile.name:<9}  Device {number:>2}: (UUID: {part.uuid})"


_ALIASES = {"--list-gpus": "-L", "--query": "-q", "--xml-format": "-x", "--id": "-i"}
_FLAGS = {"-L", "-q", "-x"}
_VALUED = {"-i", "--query-gpu", "--format"}


def _options(args: list[str]) -> tuple[dict[str, str], str | None]:
    options: dict[str, str] = {}
    rest = list(args)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        name = _ALIASES.get(name, name)
        if name in _FLAGS:
            options[name] = ""
        elif name in _VALUED and (equals or rest):
            options[name] = value if equals else rest.pop(0)
        else:
            return options, name
    return options, None


def _is_there(view: View) -> bool:
    """Tell whether the program is in the container: its own, or put there by the toolkit."""
    if view.container == _DRIVER_CONTAINER:
        return True
    if not view.visible_devices:
        return False
    return TOOLKIT in view.host or DRIVER in view.host
