"""What is said beside a GPU stack that is well: a note, and only where nothing else is found."""

from oc_gpu.checks.model import Finding, Severity
from tests.checks.patient import NODE, Patient

_SYMBOLS = "nv_peer_mem: Unknown symbol ib_register_peer_memory_client (err 0)"


def _notes(made: Patient) -> tuple[Finding, ...]:
    found = made.diagnosis()
    assert all(one.severity is Severity.WARNING for one in found)
    return found


def running(name: str, image: str, line: str) -> Patient:
    """A healthy cluster beside whose stack a program says something."""
    container = {"name": "main", "image": image}
    spec = {"containers": [container], "nodeName": NODE}
    made = Patient(openshift=False).pod(name, "ml", spec)
    return made.log(name, line)


def test_a_kernel_that_could_not_start_a_card_is_heard_of_a_stack_that_is_well() -> None:
    line = "NVRM: GPU 0000:3b:00.0: RmInitAdapter failed! (0x62:0x40:2168)"
    (note,) = _notes(Patient(openshift=False).dmesg(line))
    assert note.cause == "rminitadapter-failed"
    loaded = "nvidia: loading out-of-tree module taints kernel."
    assert _notes(Patient(openshift=False).dmesg(loaded)) == ()


def test_a_builder_of_another_module_that_finds_no_names() -> None:
    line = "Curl error (6): Couldn't resolve host name for https://cdn.example.com/repomd.xml"
    made = running("mofed-rhcos4.14-ds-1", "x/mofed:23.10", line).fails("mofed-rhcos4.14-ds-1")
    (note,) = _notes(made)
    assert note.cause == "dns-resolution-failed"
    other = "could not find an installable MOFED package"
    made = running("shop-1", "x/shop:1", other).fails("shop-1")
    assert _notes(made) == ()


def test_a_program_of_others_that_finds_no_names() -> None:
    line = "fatal: unable to access 'https://github.com/x/y/': Could not resolve host: github.com"
    (note,) = _notes(running("shop-1", "x/shop:1", line).fails("shop-1"))
    assert note.cause == "dns-resolution-failed"
    assert _notes(running("shop-1", "x/shop:1", line)) == ()


def test_what_is_found_of_the_stack_goes_before() -> None:
    made = Patient(openshift=False).fails("driver").dmesg(_SYMBOLS)
    assert all("something beside" not in one.title for one in made.diagnosis())
