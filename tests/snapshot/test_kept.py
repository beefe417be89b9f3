"""What follows from an object is worked out once, and anew for another state of it."""

from msgspec import structs

from oc_gpu.snapshot.kept import kept
from oc_gpu.snapshot.kinds import Meta, Node, Pod, PodStatus


def named(name: str) -> Node:
    return Node(metadata=Meta(name=name))


def test_a_rule_is_asked_once_for_an_object() -> None:
    asked = []

    @kept
    def rule(node: Node) -> str:
        asked.append(node)
        return node.metadata.name

    first, second = named("a"), named("b")
    assert [rule(first), rule(second), rule(first)] == ["a", "b", "a"]
    assert asked == [first, second]


def test_rules_answer_for_themselves() -> None:
    @kept
    def name(node: Node) -> str:
        return node.metadata.name

    @kept
    def length(node: Node) -> int:
        return len(node.metadata.name)

    node = named("ab")
    assert (name(node), length(node)) == ("ab", 2)


def test_a_nothing_is_an_answer_too() -> None:
    asked = []

    @kept
    def rule(node: Node) -> None:
        asked.append(node)

    node = named("a")
    assert (rule(node), rule(node)) == (None, None)
    assert len(asked) == 1


def test_another_state_of_an_object_is_judged_anew() -> None:
    @kept
    def phase(pod: Pod) -> str:
        return pod.status.phase

    pod = Pod(status=PodStatus(phase="Pending"))
    assert phase(pod) == "Pending"
    assert phase(structs.replace(pod, status=PodStatus(phase="Running"))) == "Running"


def test_what_is_kept_is_no_part_of_the_object() -> None:
    @kept
    def rule(node: Node) -> int:
        return len(node.metadata.name)

    judged, fresh = named("a"), named("a")
    rule(judged)
    assert judged == fresh
    assert repr(judged) == repr(fresh)
