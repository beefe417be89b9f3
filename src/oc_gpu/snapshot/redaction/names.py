"""Names that tell that their value is secret: of variables, fields, flags and keys."""

import re
from functools import lru_cache

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_LAST = frozenset(
    {
        "auth",
        "authorization",
        "bearer",
        "cookie",
        "credential",
        "credentials",
        "dockercfg",
        "dockerconfigjson",
        "htpasswd",
        "jks",
        "kubeconfig",
        "pass",
        "passphrase",
        "passwd",
        "password",
        "pw",
        "pwd",
        "secret",
        "tok",
        "token",
    }
)
_KEYS = frozenset(
    {
        "access",
        "account",
        "api",
        "auth",
        "client",
        "deploy",
        "encryption",
        "host",
        "license",
        "master",
        "ngc",
        "private",
        "registry",
        "secret",
        "service",
        "session",
        "shared",
        "signing",
        "ssh",
        "storage",
        "tls",
    }
)
"""Words before `key`: by itself it is a key of a map, as in a toleration."""
_ENDINGS = frozenset({"data", "hash", "id", "value"})
"""Words after those above that leave a value as secret as it was."""
_PATHS = frozenset({"pwd", "oldpwd"})
"""Variables of a shell that hold a folder."""

PARTS = re.compile("pass|pw|secret|tok|key|cred|auth|bearer|dockerc|cookie|jks|kubeconfig")
"""What every such name holds, in lower case."""
_SHORTEST = 6
"""Characters of a value from which it can be told from a word."""


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Tell whether the value of something of this name is secret.

    >>> is_secret("NGC_API_KEY"), is_secret("topologyKey"), is_secret("client-key-data")
    (True, False, True)
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    while len(words) > 1 and words[-1] in _ENDINGS:
        words.pop()
    if not words or name.lower() in _PATHS:
        return False
    if words[-1] == "key" and len(words) > 1:
        return words[-2] in _KEYS
    return words[-1] in _LAST or words[-1].endswith(("apikey", "secretkey", "password"))


def is_likely(value: str) -> bool:
    """Tell whether a value looks made up by a machine, or by a policy for passwords.

    A sentence goes on after `token:`, too, and its next word is no secret.
    """
    if len(value) < _SHORTEST or re.fullmatch(r"v?\d+(\.\d+)*", value):
        return False
    digit = any(c.isdigit() for c in value)
    letter = any(c.isalpha() for c in value)
    mixed = value not in (value.lower(), value.upper(), value.capitalize())
    return letter and (digit or mixed)
