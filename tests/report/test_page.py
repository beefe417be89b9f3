"""The page of a diagnosis: the cause first, the layers below it, the rest folded."""

from html.parser import HTMLParser

from oc_gpu.checks.case import Case
from oc_gpu.checks.catalogue import LAYERS
from oc_gpu.checks.doctor import diagnose
from oc_gpu.checks.unheard import unheard
from oc_gpu.report import doctor, page
from tests.checks.patient import Patient


def _page(made: Patient) -> str:
    snapshot = made.snapshot()
    case = Case(snapshot)
    return page.document(doctor.document(snapshot, diagnose(case), unheard(case)))


def _ill() -> Patient:
    refused = "modprobe: ERROR: could not insert 'nvidia': Required key not available"
    return Patient().fails("driver").log("driver", refused)


def test_the_cause_stands_before_the_layers_and_what_follows_is_folded() -> None:
    text = _page(_ill())
    assert 0 < text.index("OCG0820") < text.index("<svg") < text.index("<details>")
    assert all(f">{layer}</text>" in text for layer in LAYERS)
    assert text.count('class="hit"') == 1


def test_what_is_missing_is_on_the_page() -> None:
    assert "<h2>Missing</h2>" in _page(_ill())


def test_the_page_needs_nothing_else_and_takes_no_orders() -> None:
    class Tags(HTMLParser):
        seen: list[str] = []  # noqa: RUF012  (one parser, one test)

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.seen.append(tag)
            assert not {name for name, _ in attrs} & {"src", "href", "onload", "onclick"}

    made = _ill().event("driver", "<script>alert(1)</script> Required key not available")
    Tags().feed(_page(made))
    assert not {"script", "link", "img", "iframe"} & set(Tags.seen)


def test_a_healthy_cluster_has_a_page_without_layers() -> None:
    text = _page(Patient())
    assert "Healthy" in text
    assert "<svg" not in text


def test_a_warning_is_under_way_only_where_something_becomes_ready_by_itself() -> None:
    line = "Not collecting DCP metrics: Profiling is not supported for this group of GPUs or GPU"
    noted = _page(Patient(openshift=False).log("exporter", line))
    assert "Nothing of the GPU stack is broken" in noted
    assert "not ready yet" in _page(Patient().waits("driver", minutes=5))
