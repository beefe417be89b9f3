"""Custom resources out of the examples that a CSV carries."""

import json

from oc_gpu.kube import RawObject

ANNOTATION = "alm-examples"


def find_example(alm_examples: str, kind: str) -> RawObject | None:
    """Return the first example of a kind, None when there is none.

    The annotation holds several kinds in no particular order, and it is text that somebody wrote:
    what cannot be read counts as none.

    Args:
        alm_examples: Value of the annotation `alm-examples`.
        kind: Such as `ClusterPolicy`.
    """
    try:
        examples = json.loads(alm_examples)
    except ValueError:
        return None
    listed = examples if isinstance(examples, list) else [examples]
    return next((e for e in listed if isinstance(e, dict) and e.get("kind") == kind), None)
