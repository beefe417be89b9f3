"""Bodies in Kubernetes' protobuf form, in which kubectl sends what it builds from its own types.

Only the messages that kubectl's `create` sends of kinds that are served, and those of its `auth`
and `drain`, are known; the field numbers are those of the API's generated.proto files. Answers
are always JSON, which kubectl takes.
"""

import base64
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api.errors import bad_request

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _BYTES = 0, 2
_MAPS = {"texts": "text", "blobs": "encoded", "quantities": "quantity"}
"""What the values of a map hold, by what the map is said to hold."""


class _Field(Struct, frozen=True):
    """How a field is written: its JSON name and what it holds."""

    name: str
    holds: str = "text"
    repeated: bool = False


def _message(**fields: int | tuple[int, str]) -> dict[int, _Field]:
    """Return fields by number; `[]` before what a field holds means a list of it."""
    table = {}
    for name, given in fields.items():
        number, holds = (given, "text") if isinstance(given, int) else given
        table[number] = _Field(name, holds.removeprefix("[]"), holds.startswith("[]"))
    return table


_MESSAGES: dict[str, dict[int, _Field]] = {
    "meta": _message(
        name=1,
        generateName=2,
        namespace=3,
        resourceVersion=6,
        labels=(11, "texts"),
        annotations=(12, "texts"),
        finalizers=(14, "[]text"),
    ),
    "Namespace": _message(metadata=(1, "meta")),
    "ConfigMap": _message(metadata=(1, "meta"), data=(2, "texts"), binaryData=(3, "blobs")),
    "Secret": _message(
        metadata=(1, "meta"),
        data=(2, "blobs"),
        type=3,
        stringData=(4, "texts"),
        immutable=(5, "flag"),
    ),
    "ServiceAccount": _message(metadata=(1, "meta")),
    "SelfSubjectAccessReview": _message(metadata=(1, "meta"), spec=(2, "access")),
    "access": _message(resourceAttributes=(1, "resource"), nonResourceAttributes=(2, "path")),
    "resource": _message(
        namespace=1, verb=2, group=3, version=4, resource=5, subresource=6, name=7
    ),
    "path": _message(path=1, verb=2),
    "SelfSubjectReview": _message(metadata=(1, "meta")),
    "SelfSubjectRulesReview": _message(metadata=(1, "meta"), spec=(2, "rulesOf")),
    "rulesOf": _message(namespace=1),
    "Eviction": _message(metadata=(1, "meta"), deleteOptions=(2, "DeleteOptions")),
    "DeleteOptions": _message(
        gracePeriodSeconds=(1, "number"), propagationPolicy=4, dryRun=(5, "[]text")
    ),
    "Role": _message(metadata=(1, "meta"), rules=(2, "[]rule")),
    "ClusterRole": _message(
        metadata=(1, "meta"), rules=(2, "[]rule"), aggregationRule=(3, "aggregation")
    ),
    "aggregation": _message(clusterRoleSelectors=(1, "[]selector")),
    "rule": _message(
        verbs=(1, "[]text"),
        apiGroups=(2, "[]text"),
        resources=(3, "[]text"),
        resourceNames=(4, "[]text"),
        nonResourceURLs=(5, "[]text"),
    ),
    "RoleBinding": _message(
        metadata=(1, "meta"), subjects=(2, "[]subject"), roleRef=(3, "roleRef")
    ),
    "ClusterRoleBinding": _message(
        metadata=(1, "meta"), subjects=(2, "[]subject"), roleRef=(3, "roleRef")
    ),
    "subject": _message(kind=1, apiGroup=2, name=3, namespace=4),
    "roleRef": _message(apiGroup=1, kind=2, name=3),
    "Deployment": _message(metadata=(1, "meta"), spec=(2, "deployment")),
    "deployment": _message(
        replicas=(1, "number"), selector=(2, "selector"), template=(3, "template")
    ),
    "selector": _message(matchLabels=(1, "texts"), matchExpressions=(2, "[]expression")),
    "expression": _message(key=1, operator=2, values=(3, "[]text")),
    "template": _message(metadata=(1, "meta"), spec=(2, "podSpec")),
    "Job": _message(metadata=(1, "meta"), spec=(2, "job")),
    "job": _message(
        parallelism=(1, "number"),
        completions=(2, "number"),
        template=(6, "template"),
        backoffLimit=(7, "number"),
    ),
    "podSpec": _message(containers=(2, "[]container"), restartPolicy=3, nodeSelector=(7, "texts")),
    "container": _message(
        name=1,
        image=2,
        command=(3, "[]text"),
        args=(4, "[]text"),
        ports=(6, "[]port"),
        imagePullPolicy=14,
    ),
    "port": _message(name=1, containerPort=(3, "number"), protocol=4),
    "ResourceQuota": _message(metadata=(1, "meta"), spec=(2, "quota")),
    "quota": _message(hard=(1, "quantities"), scopes=(2, "[]text")),
    "quantity": _message(string=1),
    "PodDisruptionBudget": _message(metadata=(1, "meta"), spec=(2, "budget")),
    "budget": _message(
        minAvailable=(1, "textOrNumber"),
        selector=(2, "selector"),
        maxUnavailable=(3, "textOrNumber"),
    ),
    "textOrNumber": _message(type=(1, "number"), intVal=(2, "number"), strVal=3),
    "PriorityClass": _message(
        metadata=(1, "meta"),
        value=(2, "number"),
        globalDefault=(3, "flagIfAny"),
        description=4,
        preemptionPolicy=5,
    ),
    "Service": _message(metadata=(1, "meta"), spec=(2, "service")),
    "service": _message(
        ports=(1, "[]servicePort"), selector=(2, "texts"), clusterIP=3, type=4, externalName=10
    ),
    "servicePort": _message(
        name=1,
        protocol=2,
        port=(3, "number"),
        targetPort=(4, "textOrNumber"),
        nodePort=(5, "numberIfAny"),
    ),
    "envelope": _message(typeMeta=(1, "type"), raw=(2, "blob")),
    "type": _message(apiVersion=1, kind=2),
}


def decode(body: bytes) -> RawObject:
    """Return the object in a protobuf body.

    Raises:
        StatusError: 400, it is broken or of a kind that is not known here.
    """
    try:
        envelope = _read(body.removeprefix(_MAGIC), "envelope")
        known: RawObject = envelope.get("typeMeta") or {}
        raw: bytes = envelope.get("raw", b"")
        return {**known, **_read(raw, known["kind"])}
    except (KeyError, ValueError, IndexError, TypeError, AttributeError) as error:
        message = f"the protobuf body cannot be decoded ({error}); send JSON"
        raise bad_request(message) from error


def _read(data: bytes, message: str) -> RawObject:
    table = _MESSAGES[message]
    result: RawObject = {}
    for number, value in _fields(data):
        field = table.get(number)
        if field is None:
            continue
        if field.holds in _MAPS:
            key, item = _pair(value, _MAPS[field.holds])
            result.setdefault(field.name, {})[key] = item
        elif field.repeated:
            result.setdefault(field.name, []).append(_value(value, field.holds))
        else:
            found = _value(value, field.holds)
            if found not in ("", {}, None):
                result[field.name] = found
    return result


def _value(value: Any, holds: str) -> Any:
    """Return what a field holds; None where the API's JSON would leave the field out."""
    read = _READERS.get(holds)
    return read(value) if read else _read(value, holds)


def _text_or_number(data: bytes) -> str | int:
    read = _read(data, "textOrNumber")
    found: str | int = read.get("strVal", "") if read.get("type") else read.get("intVal", 0)
    return found


_READERS: dict[str, Callable[[Any], Any]] = {
    "text": bytes.decode,
    "blob": bytes,
    "encoded": lambda value: base64.b64encode(value).decode(),
    "number": lambda value: value - (1 << 64) if value >= 1 << 63 else value,
    "numberIfAny": lambda value: value or None,
    "flag": bool,
    "flagIfAny": lambda value: bool(value) or None,
    "textOrNumber": _text_or_number,
    "quantity": lambda value: _read(value, "quantity").get("string", "0"),
}


def _pair(data: bytes, holds: str) -> tuple[str, Any]:
    parts = dict(_fields(data))
    return parts.get(1, b"").decode(), _value(parts.get(2, b""), holds)


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, position = _varint(data, position)
            yield number, value
        elif wire == _BYTES:
            length, position = _varint(data, position)
            yield number, data[position : position + length]
            position += length
        else:
            msg = f"wire type {wire} is not expected"
            raise ValueError(msg)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004  # the highest bit says that more follows
            return result, position
        shift += 7
