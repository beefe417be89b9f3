"""Secrets in objects of a cluster."""

from collections.abc import Iterable, Mapping
from typing import Any

from oc_gpu.kube import RawObject
from oc_gpu.snapshot.redaction.names import is_secret
from oc_gpu.snapshot.redaction.texts import HIDDEN, NOTHING, Hiding, Known

_HIDDEN_ANNOTATIONS = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "openshift.io/token-secret",
)
"""What repeats a whole object as its author wrote it, or is a token by itself."""
_KEY_FILES = (".key", ".pem", ".p12", ".pfx", ".tok", ".jks", ".kubeconfig", ".dockerconfigjson")
_ARGUMENTS = ("args", "command")
_FILE = ("contents", "keyFile", "append")
"""Where Ignition holds what is in files."""
_USER = ("sshAuthorizedKeys",)


def redact(raw: RawObject, known: Known = NOTHING) -> RawObject:
    """Return an object without anything secret.

    Args:
        raw: The object.
        known: Secrets that are known already.
    """
    shown: RawObject = _hidden(_Walk().object(raw), known)
    return shown


def found_in(objects: Iterable[RawObject]) -> Known:
    """Return what is secret in some objects by its name, to be hidden elsewhere, too."""
    walk = _Walk()
    for raw in objects:
        walk.object(raw)
    return Known(walk.found)


def _hidden(value: Any, known: Known) -> Any:
    if not known.values:
        return value
    if isinstance(value, dict):
        return {key: _hidden(inner, known) for key, inner in value.items()}
    if isinstance(value, list):
        return [_hidden(inner, known) for inner in value]
    return known.hide(value) if isinstance(value, str) else value


class _Walk:
    """One walk through objects, which keeps what it has hidden."""

    def __init__(self) -> None:
        self._hiding = Hiding()

    @property
    def found(self) -> set[str]:
        return self._hiding.found

    def object(self, raw: RawObject) -> RawObject:
        kind = raw.get("kind")
        shown = {key: self._field(key, value) for key, value in raw.items() if key != "metadata"}
        if isinstance(raw.get("metadata"), dict):
            shown = {**shown, "metadata": self._metadata(raw["metadata"])}
        if kind == "Secret":
            return _emptied(shown, ("data", "stringData"))
        if kind == "ConfigMap":
            shown = _emptied(shown, ("binaryData",))
            if isinstance(raw.get("data"), dict):
                shown["data"] = self._files(raw["data"])
        if kind == "MachineConfig" and "spec" in shown:
            shown["spec"] = _without_files(shown["spec"])
        return {key: shown[key] for key in raw}

    def _metadata(self, meta: Mapping[str, Any]) -> dict[str, Any]:
        """Return metadata; of managed fields, who manages stays, and which fields goes."""
        shown = {key: self._field(key, value) for key, value in meta.items()}
        if isinstance(meta.get("managedFields"), list):
            shown["managedFields"] = [
                {key: value for key, value in entry.items() if key != "fieldsV1"}
                for entry in meta["managedFields"]
                if isinstance(entry, dict)
            ]
        if isinstance(meta.get("annotations"), dict):
            shown["annotations"] = {
                key: HIDDEN if str(key).startswith(_HIDDEN_ANNOTATIONS) else self._field(key, value)
                for key, value in meta["annotations"].items()
            }
        return shown

    def _field(self, key: str, value: Any) -> Any:
        if isinstance(value, str):
            return self._hiding.value(value) if is_secret(key) else self._hiding.text(value)
        if isinstance(value, dict):
            return self._variable(value) if "name" in value else self._inner(value)
        if isinstance(value, list):
            words = self._words(value) if key in _ARGUMENTS else value
            return [self._field("" if isinstance(one, str) else key, one) for one in words]
        return value

    def _inner(self, value: Mapping[str, Any]) -> dict[str, Any]:
        return {key: self._field(str(key), inner) for key, inner in value.items()}

    def _variable(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Return what may be a variable: it has its name beside the value."""
        shown = self._inner(value)
        given = value.get("value")
        if isinstance(given, str) and is_secret(str(value["name"])):
            shown["value"] = self._hiding.value(given)
        return shown

    def _words(self, words: list[Any]) -> list[Any]:
        """Return a command line of which the word after a secret's flag is hidden."""
        after = [False, *(_is_flag(word) for word in words)]
        return [
            self._hiding.value(word) if follows and isinstance(word, str) else word
            for follows, word in zip(after, words, strict=False)
        ]

    def _files(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: HIDDEN if str(key).lower().endswith(_KEY_FILES) else self._field(str(key), value)
            for key, value in data.items()
        }


def _is_flag(word: Any) -> bool:
    return isinstance(word, str) and word.startswith("-") and is_secret(word.lstrip("-"))


def _emptied(shown: RawObject, parts: Iterable[str]) -> RawObject:
    """Return an object of which the values of some maps are hidden, and the keys stay."""
    gone = {
        part: dict.fromkeys(shown[part], HIDDEN)
        for part in parts
        if isinstance(shown.get(part), dict)
    }
    return {**shown, **gone}


def _without_files(value: Any) -> Any:
    """Return Ignition without what is in its files: keys, pull secrets, whole configurations."""
    if isinstance(value, list):
        return [_without_files(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _emptied_file(inner)
        if key in _FILE and not isinstance(inner, str)
        else [HIDDEN] * len(inner)
        if key in _USER and isinstance(inner, list)
        else _without_files(inner)
        for key, inner in value.items()
    }


def _emptied_file(value: Any) -> Any:
    return [{"source": HIDDEN} for _ in value] if isinstance(value, list) else {"source": HIDDEN}
