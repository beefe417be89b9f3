"""Kubeconfig files, found and merged as kubectl does it.

Rules from the Kubernetes documentation, "Organizing Cluster Access Using kubeconfig Files": an
explicit file stands alone; else the files of `KUBECONFIG`, missing ones skipped; else
`~/.kube/config`. The first file that sets a value, or that names a cluster, user or context,
wins, and entries of one name are never mixed. Relative paths start at their own file.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from oc_gpu.kube.errors import ConfigError, clean

_NO_CONTEXTS = "there are no contexts; log in with `oc login SERVER`"


class _Entry(Struct, frozen=True, rename="kebab"):
    """Base of what kubeconfig files hold; shows nothing of it when printed."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class Extension(_Entry, frozen=True):
    """A named extension; the one of exec plugins is passed on to them."""

    name: str = ""
    extension: Any = None


class Cluster(_Entry, frozen=True):
    """Where a server is and how to trust it."""

    server: str = ""
    tls_server_name: str | None = None
    insecure_skip_tls_verify: bool = False
    certificate_authority: str | None = None
    certificate_authority_data: str | None = None
    proxy_url: str | None = None
    extensions: list[Extension] | None = None


class EnvVar(_Entry, frozen=True):
    """An environment variable of an exec plugin."""

    name: str = ""
    value: str = ""


class ExecConfig(_Entry, frozen=True, rename="camel"):
    """A program that prints credentials (client.authentication.k8s.io)."""

    command: str = ""
    api_version: str = ""
    args: list[str] | None = None
    env: list[EnvVar] | None = None
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""


class AuthProvider(_Entry, frozen=True):
    """The mechanism before exec plugins; only its name is read, to say so."""

    name: str = ""


class User(_Entry, frozen=True):
    """How to prove who we are."""

    client_certificate: str | None = None
    client_certificate_data: str | None = None
    client_key: str | None = None
    client_key_data: str | None = None
    token: str | None = None
    token_file: str | None = field(default=None, name="tokenFile")
    username: str | None = None
    password: str | None = None
    as_user: str | None = field(default=None, name="as")
    as_uid: str | None = None
    as_groups: list[str] | None = None
    as_user_extra: dict[str, list[str]] | None = None
    exec: ExecConfig | None = None
    auth_provider: AuthProvider | None = None


class Context(_Entry, frozen=True):
    """A cluster, a user and a namespace under one name."""

    cluster: str = ""
    user: str = ""
    namespace: str | None = None


class _NamedCluster(_Entry, frozen=True):
    name: str
    cluster: Cluster = field(default_factory=Cluster)


class _NamedUser(_Entry, frozen=True):
    name: str
    user: User | None = None


class _NamedContext(_Entry, frozen=True):
    name: str
    context: Context = field(default_factory=Context)


class _File(_Entry, frozen=True):
    current_context: str | None = None
    clusters: list[_NamedCluster] | None = None
    users: list[_NamedUser] | None = None
    contexts: list[_NamedContext] | None = None


class Kubeconfig(_Entry, frozen=True):
    """All files merged; paths in it are absolute."""

    current_context: str = ""
    clusters: dict[str, Cluster] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    contexts: dict[str, Context] = field(default_factory=dict)
    searched: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Tell whether nothing was found."""
        return not (self.clusters or self.users or self.contexts or self.current_context)


class Access(_Entry, frozen=True):
    """What one context says: where to go, as whom, in which namespace."""

    cluster: Cluster
    user: User
    user_name: str = ""
    context_name: str | None = None
    namespace: str | None = None


def load(explicit: str | None, environ: Mapping[str, str]) -> Kubeconfig:
    """Find, read and merge the kubeconfig files.

    Args:
        explicit: Path that was given on the command line; it must exist.
        environ: Environment, for `KUBECONFIG` and `HOME`.

    Raises:
        ConfigError: A file cannot be used.
    """
    if explicit:
        paths = [Path(explicit).expanduser()]
    elif environ.get("KUBECONFIG"):
        named = dict.fromkeys(part for part in environ["KUBECONFIG"].split(os.pathsep) if part)
        paths = [Path(part) for part in named]
    else:
        paths = [Path(environ.get("HOME") or Path.home()) / ".kube" / "config"]
    files = [read(path) for path in paths if explicit or path.exists()]
    return merge(files, tuple(str(path) for path in paths))


def merge(files: list[Kubeconfig], searched: tuple[str, ...] = ()) -> Kubeconfig:
    """Merge files of falling precedence; entries are taken whole."""
    merged = Kubeconfig(searched=searched)
    for file in files:
        merged = Kubeconfig(
            merged.current_context or file.current_context,
            {**file.clusters, **merged.clusters},
            {**file.users, **merged.users},
            {**file.contexts, **merged.contexts},
            searched,
        )
    return merged


def read(path: Path) -> Kubeconfig:
    """Read one file.

    Raises:
        ConfigError: It cannot be read or is no kubeconfig.
    """
    try:
        data = _parse(path.read_bytes(), path)
    except OSError as error:
        message = f"cannot read kubeconfig {path}: {error.strerror or type(error).__name__}"
        raise ConfigError(
            message, hints=("check the path in --kubeconfig or KUBECONFIG and its permissions",)
        ) from error
    data = {} if data is None else data
    try:
        file = msgspec.convert(data, _File)
    except msgspec.ValidationError as error:
        from oc_gpu.kube.mistakes import explain, listed  # noqa: PLC0415  # only needed here

        message = f"kubeconfig {path} is not valid: {listed(explain(data, _File, error))}"
        raise ConfigError(message, hints=("compare it with `kubectl config view`",)) from error
    base = path.absolute().parent
    return Kubeconfig(
        file.current_context or "",
        _by_name(path, ((c.name, _anchor(c.cluster, base)) for c in file.clusters or ())),
        _by_name(path, ((u.name, _anchor(u.user or User(), base)) for u in file.users or ())),
        _by_name(path, ((c.name, c.context) for c in file.contexts or ())),
        (str(path),),
    )


def _parse(raw: bytes, path: Path) -> Any:
    """Return the document; JSON, which is YAML too, is read without loading a YAML library."""
    if raw.lstrip().startswith(b"{"):
        try:
            return msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            pass
    from oc_gpu.kube.yamlfile import YamlError, parse  # noqa: PLC0415 - costs 20 ms

    try:
        return parse(raw)
    except YamlError as error:
        message = f"kubeconfig {path} is not YAML: {error}"
        raise ConfigError(message, hints=("repair it, or get a new one by `oc login`",)) from error


_T = TypeVar("_T")


def _by_name(path: Path, pairs: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, entry in pairs:
        if name in found:
            message = f"kubeconfig {path} is not valid: the name {name!r} is used twice"
            raise ConfigError(message, hints=("remove one of the two entries",))
        found[name] = entry
    return found


_PATHS = ("certificate_authority", "client_certificate", "client_key", "token_file")


def _anchor(entry: _T, base: Path) -> _T:
    """Return the entry with its relative paths made absolute."""
    paths = {name: getattr(entry, name, None) for name in _PATHS}
    changes: dict[str, Any] = {name: str(base / value) for name, value in paths.items() if value}
    plugin = getattr(entry, "exec", None)
    if plugin is not None and os.sep in plugin.command:
        changes["exec"] = replace(plugin, command=str(base / plugin.command))
    return cast("_T", replace(cast("Struct", entry), **changes)) if changes else entry


def choose(config: Kubeconfig, context_name: str | None) -> Access:
    """Return what a context says.

    Args:
        config: Merged kubeconfig.
        context_name: Context, None for the current one.

    Raises:
        ConfigError: The context, or what it names, is not there.
    """
    name = context_name or config.current_context
    if not name:
        message = "the kubeconfig has no current context"
        raise ConfigError(message, hints=_context_hints(config))
    context = config.contexts.get(name)
    if context is None:
        message = f"there is no context {name!r} in the kubeconfig"
        raise ConfigError(message, hints=_context_hints(config))
    cluster = config.clusters.get(context.cluster)
    if cluster is None or not cluster.server:
        message = f"context {name!r} names the cluster {context.cluster!r}, which has no server"
        raise ConfigError(message, hints=_context_hints(config))
    user = config.users.get(context.user) if context.user else User()
    if user is None:
        message = f"context {name!r} names the user {context.user!r}, who is not in the kubeconfig"
        raise ConfigError(message, hints=_context_hints(config))
    return Access(cluster, user, context.user, name, context.namespace)


def _context_hints(config: Kubeconfig) -> tuple[str, ...]:
    names = ", ".join(sorted(config.contexts))
    files = ", ".join(config.searched)
    known = f"contexts in {files}: {clean(names)}" if names else f"{files}: {_NO_CONTEXTS}"
    return (known, "choose one with --context, or `oc config use-context`")
