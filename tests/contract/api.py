"""A client that knows nothing but HTTP, and what the tests ask with it."""

import http.client
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from oc_gpu.kube import RawObject
from tests.contract.objects import DEFINITIONS

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_PATIENCE = 30.0
"""Seconds without a byte after which an answer or an event counts as missing."""


class Target(NamedTuple):
    """Where a server is, and as whom to ask."""

    port: int
    authority: str
    token: str


class Answer(NamedTuple):
    """A whole answer; names of headers are in lower case."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def refusal(self) -> tuple[int, str, str]:
        """Return code, reason and message of a `Status` that says no."""
        assert self.body["kind"] == "Status", self.body
        assert (self.body["status"], self.body["code"]) == ("Failure", self.status)
        return self.status, self.body.get("reason", ""), self.body["message"]


class Api:
    """Asks one server as one user.

    Args:
        target: Where it is.
        namespace: A namespace that is this test's own.
    """

    def __init__(self, target: Target, namespace: str = "") -> None:
        self.target = target
        self.namespace = namespace
        self._context = ssl.create_default_context(cadata=target.authority)
        self._connection = self._connect()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def path(self, plural: str, name: str = "", *, group: str = "", version: str = "v1") -> str:
        """Return the path of this test's objects of a kind, or of one of them."""
        root = f"/apis/{group}/{version}" if group else f"/api/{version}"
        return "/".join(filter(None, (root, "namespaces", self.namespace, plural, name)))

    def ask(
        self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request and return the whole answer."""
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        try:
            self._connection.request(method, target, sent, self._headers(headers))
            response = self._connection.getresponse()
            text = response.read()
        except (http.client.HTTPException, OSError):
            self._connection.close()
            raise
        told = {key.lower(): value for key, value in response.getheaders()}
        is_json = told.get("content-type", "").startswith("application/json")
        return Answer(response.status, json.loads(text) if is_json else text.decode(), told)

    def get(self, target: str, **headers: str) -> Any:
        """Return what is there."""
        return done(self.ask("GET", target, headers=headers))

    def create(self, target: str, obj: RawObject) -> RawObject:
        """Create an object that must be accepted."""
        made: RawObject = done(self.ask("POST", target, obj), 201)
        return made

    def patch(self, target: str, patch: Any, kind: str = MERGE) -> Answer:
        """Send a patch of one of the kinds."""
        return self.ask("PATCH", target, patch, {"content-type": kind})

    def apply(self, target: str, obj: RawObject, manager: str, *, force: bool = False) -> Answer:
        """Send a server-side apply."""
        given = {"fieldManager": manager} | ({"force": "true"} if force else {})
        return self.patch(with_query(target, **given), obj, APPLY)

    @contextmanager
    def watch(
        self, target: str, *, accept: str = "application/json", **params: str
    ) -> Iterator[Iterator[RawObject]]:
        """Open a watch; inside the block its events can be read, one after the other."""
        connection = self._connect()
        try:
            url = with_query(target, watch="true", **params)
            connection.request("GET", url, None, self._headers({"accept": accept}))
            response = connection.getresponse()
            assert response.status == 200, response.read()
            yield (json.loads(line) for line in iter(response.readline, b""))
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(
            "127.0.0.1", self.target.port, context=self._context, timeout=_PATIENCE
        )

    def _headers(self, given: Mapping[str, str] | None) -> dict[str, str]:
        return {
            "authorization": f"Bearer {self.target.token}",
            "user-agent": "contract/1.0",
            "accept": "application/json",
            "content-type": "application/json",
            **(given or {}),
        }


def with_query(target: str, **params: str) -> str:
    """Return a target with more parameters."""
    query = urlencode(params, quote_via=quote)
    return f"{target}{'&' if '?' in target else '?'}{query}" if query else target


def done(answer: Answer, status: int = 200) -> Any:
    """Return the body of an answer that must be of this status."""
    assert answer.status == status, answer.body
    return answer.body


def install(api: Api, definition: RawObject) -> RawObject:
    """Create a definition and return it as soon as its kind is served."""
    name, spec = definition["metadata"]["name"], definition["spec"]
    api.create(DEFINITIONS, definition)
    only = f"metadata.name={name}"
    kind = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
    with api.watch(DEFINITIONS, resourceVersion="0", fieldSelector=only) as events:
        made: RawObject = next(e["object"] for e in events if _is_established(e["object"]))
    # What serves the kind reads the same watch, and may be behind.
    for _ in range(100):
        if api.ask("GET", kind).status == 200:
            break
        time.sleep(0.02)
    return made


def _is_established(definition: RawObject) -> bool:
    conditions = definition.get("status", {}).get("conditions") or []
    return any((c["type"], c["status"]) == ("Established", "True") for c in conditions)


def names(listed: RawObject) -> list[str]:
    """Return the names in a list."""
    return [item["metadata"]["name"] for item in listed["items"]]
