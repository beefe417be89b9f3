"""Proxy settings as environment variables."""

from msgspec import Struct

from oc_gpu.kube import RawObject


class Proxy(Struct, frozen=True):
    """A proxy; empty fields are not set."""

    http: str = ""
    https: str = ""
    no_proxy: str = ""

    @property
    def configured(self) -> bool:
        """Tell whether there is one."""
        return bool(self.http or self.https)


def environment(proxy: Proxy | None) -> list[RawObject]:
    """Return the variables in upper and lower case: programs differ in which they read."""
    if proxy is None or not proxy.configured:
        return []
    values = (
        ("HTTP_PROXY", proxy.http),
        ("HTTPS_PROXY", proxy.https),
        ("NO_PROXY", proxy.no_proxy),
    )
    given = [(name, value) for name, value in values if value]
    lower = [(name.lower(), value) for name, value in given]
    return [{"name": name, "value": value} for name, value in (*given, *lower)]
