"""What may keep an object from being created: quotas, and admission webhooks of others."""

from collections.abc import Iterator

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api.backend import Backend
from oc_gpu.sim.api.errors import qualified
from oc_gpu.sim.api.messages import StatusError
from oc_gpu.sim.api.routing import Call
from oc_gpu.sim.scenario import WebhookFacts

_QUOTAS = ("", "resourcequotas")
_PODS = ("", "pods")
_COUNTED = ("pods", "count/pods")
_ENDED = frozenset({"Succeeded", "Failed"})


def check(backend: Backend, call: Call, obj: RawObject) -> None:
    """Refuse an object that somebody's policy or a quota does not admit.

    Raises:
        StatusError: 403, or 500 where a webhook does not answer.
    """
    for webhook in backend.webhooks:
        if _asks(webhook, call, obj):
            raise _refusal(webhook)
    if call.kind.key == _PODS:
        _check_quotas(backend, call, obj)


def _asks(webhook: WebhookFacts, call: Call, obj: RawObject) -> bool:
    if call.kind.resource.plural not in webhook.resources or call.subresource:
        return False
    if webhook.namespaces and call.namespace not in webhook.namespaces:
        return False
    return not webhook.privileged or any(map(_is_privileged, _containers(obj)))


def _containers(obj: RawObject) -> Iterator[RawObject]:
    spec = obj.get("spec") or {}
    yield from (*(spec.get("initContainers") or []), *(spec.get("containers") or []))


def _is_privileged(container: RawObject) -> bool:
    return bool((container.get("securityContext") or {}).get("privileged"))


def _refusal(webhook: WebhookFacts) -> StatusError:
    if webhook.denies:
        text = f'admission webhook "{webhook.name}" denied the request: {webhook.denies}'
        return StatusError(403, "Forbidden", text)
    namespace, _, name = webhook.service.partition("/")
    text = (
        f'Internal error occurred: failed calling webhook "{webhook.name}": failed to call '
        f'webhook: Post "https://{name}.{namespace}.svc:443/validate?timeout=10s": '
        f'no endpoints available for service "{name}"'
    )
    return StatusError(500, "InternalError", text)


def _check_quotas(backend: Backend, call: Call, pod: RawObject) -> None:
    quotas = [e.decode() for e in backend.store.of(_QUOTAS).select(call.namespace)]
    if not quotas:
        return
    pods = [e.decode() for e in backend.store.of(_PODS).select(call.namespace)]
    used = sum((p.get("status") or {}).get("phase") not in _ENDED for p in pods)
    for quota in quotas:
        for name, limit in (quota["spec"].get("hard") or {}).items():
            if name in _COUNTED and used >= int(limit):
                what = f'{qualified(call.kind.resource)} "{pod["metadata"]["name"]}" is forbidden'
                text = (
                    f"{what}: exceeded quota: {quota['metadata']['name']}, requested: {name}=1, "
                    f"used: {name}={used}, limited: {name}={limit}"
                )
                raise StatusError(403, "Forbidden", text)
