"""The least OpenAPI that makes kubectl leave validation to the server.

Before kubectl creates or applies an object it looks into the description of the object's group
for a PATCH of that kind with the parameter `fieldValidation`; that is all it reads.
"""

import msgspec

from oc_gpu.kube.objects import RawObject
from oc_gpu.sim.api.backend import Backend
from oc_gpu.sim.api.errors import unknown_path
from oc_gpu.sim.api.kinds import ServedKind
from oc_gpu.sim.api.messages import ApiRequest, ApiResponse

_ROOT = "/openapi/v3"


def answer(backend: Backend, request: ApiRequest) -> ApiResponse:
    """Answer `/openapi/v3` and the description of a group's version below it.

    Raises:
        StatusError: 404.
    """
    kinds = backend.registry.kinds()
    if request.path.rstrip("/") == _ROOT:
        mark = backend.registry.revision
        places = sorted({_place(kind) for kind in kinds})
        links = {p: {"serverRelativeURL": f"{_ROOT}/{p}?hash={mark}"} for p in places}
        return ApiResponse(200, msgspec.json.encode({"paths": links}))
    place = request.path.removeprefix(f"{_ROOT}/")
    here = [kind for kind in kinds if _place(kind) == place]
    if not here:
        raise unknown_path()
    document = {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": f"v{backend.identity.kubernetes}"},
        "paths": dict(_path(kind) for kind in here),
    }
    return ApiResponse(200, msgspec.json.encode(document))


def _place(kind: ServedKind) -> str:
    resource = kind.resource
    return f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"


def _path(kind: ServedKind) -> tuple[str, RawObject]:
    resource = kind.resource
    namespace = "{namespace}" if resource.namespaced else None
    path = f"/{_place(kind)}/" + ("namespaces/{namespace}/" if namespace else "")
    kinds = {"group": resource.group, "kind": resource.kind, "version": resource.version}
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string"}}
        for name in ("dryRun", "fieldManager", "fieldValidation")
    ]
    patch = {
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": kinds,
    }
    return f"{path}{resource.plural}/{{name}}", {"patch": patch}
