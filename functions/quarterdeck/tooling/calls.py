"""What a tool can ask about the call that it serves."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

_open: "list[Call]" = []
"""At most one: a process serves one call at a time, with as many threads as its tool likes."""


@dataclass(frozen=True)
class Call:
    idempotency_key: str
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The values of those that the tool's policy names."""
    correlation_id: str | None = None


def read_idempotency_key() -> str:
    """The same however often this call is made: for services that do a thing once for each key."""
    return _find_call().idempotency_key


def read_secret(name: str) -> str:
    """The value of `quarterdeck/<environment>/tools/NAME`, which the tool's policy has to name."""
    secrets = _find_call().secrets
    if name not in secrets:
        raise LookupError(f"secret '{name}' is not among POLICY.secrets of this tool")
    return secrets[name]


def read_correlation_id() -> str | None:
    """Of the request that the task goes back to, for the services that the tool calls."""
    return _find_call().correlation_id


@contextmanager
def open_call(call: Call) -> Iterator[None]:
    """While open, it is the call that tools ask about."""
    _open.append(call)
    try:
        yield
    finally:
        _open.remove(call)


def _find_call() -> Call:
    if not _open:
        raise LookupError("no call is open: a tool can ask this only while it runs")
    return _open[-1]
