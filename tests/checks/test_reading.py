"""Which texts the doctor reads at all: those of neighbours that are well are most of a bundle."""

from collections.abc import Iterator, Mapping

from msgspec import structs

from oc_gpu.checks.case import Case
from oc_gpu.checks.doctor import diagnose
from oc_gpu.snapshot.texts import Text, TextRef
from tests.checks.patient import NODE, Patient


class Lazy(Mapping[TextRef, tuple[Text, ...]]):
    """Texts that are read when they are asked for; remembers which were."""

    def __init__(self, texts: Mapping[TextRef, tuple[Text, ...]]) -> None:
        self._texts = texts
        self.read: set[str] = set()

    def __getitem__(self, ref: TextRef) -> tuple[Text, ...]:
        self.read.add(ref.pod)
        return self._texts[ref]

    def __iter__(self) -> Iterator[TextRef]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def test_the_logs_of_neighbours_that_are_well_stay_unread() -> None:
    made = Patient().fails("driver").log("driver", "modprobe: ERROR: could not insert 'nvidia'")
    made.pod("web-0", "team", {"containers": [{"name": "web"}], "nodeName": NODE})
    made.log("web-0", "GET /")
    earlier = TextRef(
        kind="log", where="earlier", namespace="team", pod="web-0", container="web", previous=True
    )
    made.texts[earlier] = (Text(["GET /"]),)
    texts = Lazy(made.texts)
    found = diagnose(Case(structs.replace(made.snapshot(), texts=texts)))
    assert found
    assert any("driver" in name for name in texts.read)
    assert "web-0" not in texts.read
