"""Commands of `oc` as people write them who have only kubectl."""

import re

_DEBUG = re.compile(r"\boc debug (node/\S+)( -- )?")
_ADMIN = re.compile(r"\boc adm (cordon|uncordon|drain|taint|top)\b")
_SHARED = re.compile(
    r"\boc (annotate|api-versions|apply|auth|create|delete|describe|edit|exec|get|label|logs|patch"
    r"|rollout|scale|set env)\b"
)
_NODE = r"kubectl debug \1 -it --profile=sysadmin --image=busybox\2"
"""A pod on the node with its file system under /host, as `oc debug` gives it by itself."""


def for_kubectl(line: str) -> str:
    """Return a line with its commands of `oc` as those of kubectl, where kubectl has them.

    Args:
        line: A line of a remedy, a command or a sentence with commands in it.
    """
    for command, instead in ((_DEBUG, _NODE), (_ADMIN, r"kubectl \1"), (_SHARED, r"kubectl \1")):
        line = command.sub(instead, line)
    return line
