"""Probes of a pod that runs as a process: its ports are those of this machine's loopback."""

import asyncio
from collections.abc import Mapping
from typing import Any

_HOST = "127.0.0.1"
_GOOD = range(200, 400)


async def answers(probe: Mapping[str, Any], ports: Mapping[str, int]) -> bool:
    """Tell whether a httpGet or tcpSocket probe succeeds now.

    Args:
        probe: The probe of the container's spec.
        ports: The container's ports by name.
    """
    what = probe.get("httpGet") or probe.get("tcpSocket") or {}
    port = what.get("port", 0)
    number = ports.get(port, 0) if isinstance(port, str) else int(port)
    limit = float(probe.get("timeoutSeconds") or 1)
    try:
        async with asyncio.timeout(limit):
            reader, writer = await asyncio.open_connection(_HOST, number)
            try:
                if "httpGet" not in probe:
                    return True
                path = what.get("path") or "/"
                writer.write(f"GET {path} HTTP/1.0\r\nHost: {_HOST}\r\n\r\n".encode())
                return _is_good(await reader.readline())
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


def _is_good(status_line: bytes) -> bool:
    words = status_line.split()
    return len(words) > 1 and words[1].isdigit() and int(words[1]) in _GOOD
