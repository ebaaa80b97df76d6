"""What can go wrong, and how the API says it.

QuarterdeckError
├── InvalidInput     422   a field breaks a rule; `errors` names both
├── Forbidden        403   the key lacks the scope
├── NotFound         404   not there, or not for this key
├── MethodNotAllowed 405
├── Conflict         409   the state does not allow it
├── PreconditionFailed   412   what If-Match names has changed
├── PreconditionRequired 428   If-Match is missing
├── TooLarge         413
├── QueueFull        429   with Retry-After
├── Restoring        503   the system is being restored; with Retry-After
└── Contention       503   others changed the same items at each attempt; with Retry-After
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple


class FieldError(NamedTuple):
    """`field` is a path like `crews[1].agents[0].llm`, `rule` what it breaks."""

    field: str
    rule: str


class QuarterdeckError(Exception):
    status = 500
    type = "internal-error"
    title = "Internal error"
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)


class InvalidInput(QuarterdeckError):
    status = 422
    type = "invalid-input"
    title = "The request is not valid"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.rule}" for error in errors), errors)


class Forbidden(QuarterdeckError):
    status = 403
    type = "forbidden"
    title = "The key does not allow this"


class NotFound(QuarterdeckError):
    status = 404
    type = "not-found"
    title = "Not found"


class MethodNotAllowed(QuarterdeckError):
    status = 405
    type = "method-not-allowed"
    title = "Method not allowed"

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{method} is not one of {', '.join(allowed)}")
        self.headers = {"Allow": ", ".join(allowed)}


class Conflict(QuarterdeckError):
    status = 409
    type = "conflict"
    title = "The state does not allow this"


class PreconditionFailed(QuarterdeckError):
    status = 412
    type = "precondition-failed"
    title = "It has changed since it was read"

    def __init__(self, header: str, rule: str) -> None:
        super().__init__(f"{header}: {rule}", [FieldError(header, rule)])


class PreconditionRequired(PreconditionFailed):
    status = 428
    type = "precondition-required"
    title = "The request has to say what it changes"


class TooLarge(QuarterdeckError):
    status = 413
    type = "too-large"
    title = "The request is too large"


class QueueFull(QuarterdeckError):
    status = 429
    type = "queue-full"
    title = "Too many tasks are queued"
    headers = MappingProxyType({"Retry-After": "30"})


class Restoring(QuarterdeckError):
    status = 503
    type = "restoring"
    title = "The system is being restored"
    headers = MappingProxyType({"Retry-After": "60"})


class Contention(QuarterdeckError):
    status = 503
    type = "contention"
    title = "Try again"
    headers = MappingProxyType({"Retry-After": "1"})


def system_not_found(system_id: str) -> NotFound:
    rule = f"there is no system '{system_id}'"
    return NotFound(rule, [FieldError("system_id", rule)])


def crew_not_found(field: str, crew: str, crews: Iterable[str]) -> FieldError:
    return FieldError(field, f"unknown crew '{crew}'; the crews are: {', '.join(crews)}")
