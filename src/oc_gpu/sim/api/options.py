"""What a write says beside the object: dry run, validation, field manager, force."""

from collections.abc import Iterator, Mapping

from oc_gpu.sim.api.errors import Cause, invalid_options
from oc_gpu.sim.api.routing import Call

_LONGEST_MANAGER = 128
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
_KINDS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}


def check(call: Call, *, apply: bool = False) -> None:
    """Refuse a write whose options make no sense.

    Args:
        call: What is asked for.
        apply: Whether it is a server-side apply.

    Raises:
        StatusError: 422.
    """
    params = call.request.params
    causes = [*_shared(params)]
    if call.verb == "patch":
        causes = [*_patch(params, apply=apply), *causes]
    if causes:
        raise invalid_options(_KINDS[call.verb], causes)


def dry_run(values: list[str]) -> Iterator[Cause]:
    """Give what is wrong with the values of `dryRun`."""
    if set(values) - {"All"}:
        shown = ", ".join(f'"{value}"' for value in values)
        yield _unsupported("dryRun", f"[]string{{{shown}}}", ('"All"',))


def unsupported(field: str, value: str, known: tuple[str, ...]) -> Cause:
    """Return the cause that a value is none of those that are known."""
    return _unsupported(field, f'"{value}"', tuple(f'"{one}"' for one in known))


def _unsupported(field: str, value: str, known: tuple[str, ...]) -> Cause:
    message = f"Unsupported value: {value}: supported values: {', '.join(known)}"
    return Cause(field, message, "FieldValueNotSupported")


def _shared(params: Mapping[str, str]) -> Iterator[Cause]:
    manager = params.get("fieldManager", "")
    if len(manager.encode()) > _LONGEST_MANAGER:
        message = f"Too long: may not be more than {_LONGEST_MANAGER} bytes"
        yield Cause("fieldManager", message, "FieldValueTooLong")
    if "dryRun" in params:
        yield from dry_run([params["dryRun"]])
    how = params.get("fieldValidation", "")
    if how not in _VALIDATIONS:
        yield unsupported("fieldValidation", how, _VALIDATIONS)


def _patch(params: Mapping[str, str], *, apply: bool) -> Iterator[Cause]:
    if not apply and "force" in params:
        message = "Forbidden: may not be specified for non-apply patch"
        yield Cause("force", message, "FieldValueForbidden")
    if apply and not params.get("fieldManager"):
        message = "Required value: is required for apply patch"
        yield Cause("fieldManager", message, "FieldValueRequired")
