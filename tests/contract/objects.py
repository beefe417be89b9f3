"""The objects that the tests make, no larger than both servers ask for."""

from typing import Any

from oc_gpu.kube import RawObject

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def namespace(name: str) -> RawObject:
    """Return a namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def config_map(name: str = "", /, **data: str) -> RawObject:
    """Return a ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def labelled(obj: RawObject, **labels: str) -> RawObject:
    """Return an object with labels."""
    return obj | {"metadata": obj["metadata"] | {"labels": labels}}


def pod(name: str, /, **spec: Any) -> RawObject:
    """Return a pod with one container and no token."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [{"name": "main", "image": "registry.example.com/main:1"}],
            **spec,
        },
    }


def deployment(name: str, /, *containers: RawObject, **spec: Any) -> RawObject:
    """Return a Deployment, by default with one container."""
    labels = {"app": name}
    inside = {"containers": list(containers) or [container("main")]}
    template = {"metadata": {"labels": labels}, "spec": inside}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


def container(name: str, **fields: Any) -> RawObject:
    """Return a container."""
    return {"name": name, "image": f"registry.example.com/{name}:1", **fields}


GROUP = "contract.example.com"
_PROPERTIES: RawObject = {
    "size": {"type": "integer", "minimum": 1, "maximum": 9},
    "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
    "code": {"type": "string", "pattern": "^[a-z]+$", "minLength": 1, "maxLength": 3},
    "ratio": {"type": "number"},
    "on": {"type": "boolean"},
    "limit": {"x-kubernetes-int-or-string": True},
    "maybe": {"type": "string", "nullable": True},
    "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    "whole": {
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
    },
    "words": {"type": "array", "maxItems": 5, "items": {"type": "string"}},
    "flags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
    "nested": {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "depth": {"type": "integer", "default": 1},
        },
    },
    "parts": {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string"},
                "count": {"type": "integer"},
                "on": {"type": "boolean", "default": False},
            },
        },
    },
}


def definition(kind: str = "Widget", **version: Any) -> RawObject:
    """Return a definition of a kind with one of every way to merge.

    Args:
        kind: The kind; its plural is the kind in lower case with an s.
        version: What is different in its only version.
    """
    plural = f"{kind.lower()}s"
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": _PROPERTIES},
            "status": {"type": "object", "properties": {"state": {"type": "string"}}},
        },
    }
    v1 = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        **version,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": [v1],
        },
    }


def widget(name: str = "w", /, **spec: Any) -> RawObject:
    """Return an object of the defined kind."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": spec,
    }
