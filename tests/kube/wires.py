"""Clients over real connections, from kubeconfigs made for one test."""

import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from oc_gpu.kube import Client, ConnectOptions
from oc_gpu.kube.connect import connect


def kubeconfig(cluster: dict[str, Any], user: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a kubeconfig with one context, `test`."""
    return {
        "kind": "Config",
        "apiVersion": "v1",
        "current-context": "test",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
    }


@asynccontextmanager
async def reached(
    config: dict[str, Any],
    *,
    timeout: float = 5.0,  # noqa: ASYNC109 - the option of that name
    impersonate: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Client]:
    """Give a client for a kubeconfig; nothing of this machine's environment matters to it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config"
        path.write_text(json.dumps(config))
        options = ConnectOptions(
            kubeconfig=str(path), timeout=timeout, unreachable=0.5, impersonate=impersonate
        )
        client = connect(options, environ or {})
    async with client:
        yield client


@asynccontextmanager
async def connected(url: str, **user: Any) -> AsyncIterator[Client]:
    """Give a client for a server without TLS."""
    async with reached(kubeconfig({"server": url}, user)) as client:
        yield client
