"""The server behind the proxy, as a kubeconfig tells of it, and a kubeconfig that leads before."""

import base64
import ssl
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import yaml


class Upstream:
    """Where the real server is, and how to speak to it.

    Args:
        kubeconfig: File whose current context leads there.
    """

    def __init__(self, kubeconfig: str) -> None:
        self._document: dict[str, Any] = yaml.safe_load(Path(kubeconfig).read_text("utf-8"))
        named = {c["name"]: c["context"] for c in self._document["contexts"]}
        context = named[self._document["current-context"]]
        self._cluster = _entry(self._document["clusters"], context["cluster"])["cluster"]
        self._user = _entry(self._document["users"], context["user"])["user"]
        parts = urlsplit(self._cluster["server"])
        self.host, self.port = parts.hostname or "", parts.port or 443
        self.tls = self._context()

    def _context(self) -> ssl.SSLContext:
        data = _content(self._cluster, "certificate-authority")
        context = ssl.create_default_context(cadata=(data or b"").decode() or None)
        certificate = _content(self._user, "client-certificate")
        if certificate is not None:
            key = _content(self._user, "client-key") or b""
            with TemporaryDirectory() as folder:
                path = Path(folder) / "client.pem"
                path.touch(mode=0o600)
                path.write_bytes(certificate + b"\n" + key)
                context.load_cert_chain(path)
        return context

    def write(self, path: Path, url: str, authority: str) -> None:
        """Write a kubeconfig that leads to the proxy, with the same user."""
        cluster = {
            "server": url,
            "certificate-authority-data": base64.b64encode(authority.encode()).decode(),
        }
        document = {**self._document, "clusters": []}
        for entry in self._document["clusters"]:
            document["clusters"].append({"name": entry["name"], "cluster": cluster})
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(document), "utf-8")


def _entry(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def _content(entry: dict[str, Any], name: str) -> bytes | None:
    if f"{name}-data" in entry:
        return base64.b64decode(entry[f"{name}-data"])
    return Path(entry[name]).read_bytes() if name in entry else None
