"""Which errors of a provider pass by themselves, and how long to wait for that."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, NamedTuple

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError
from crewai.utilities.exceptions.context_window_exceeding_exception import (
    LLMContextLengthExceededError,
)

MAX_ATTEMPTS = 5
SHORTEST_DELAY = 2.0
LONGEST_DELAY = 600.0
THROTTLING = frozenset({408, 409, 425, 429})
NEVER = frozenset({501, 505})
BEDROCK_FAULTS = frozenset(
    {
        "InternalServerException",
        "ModelNotReadyException",
        "ModelTimeoutException",
        "ServiceUnavailableException",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
OUT_OF_MONEY = re.compile(r"insufficient_quota|ServiceQuotaExceededException|billing", re.I)

type Kind = Literal["throttled", "unavailable", "unreachable"]


class Fault(NamedTuple):
    """`retry_after`: the seconds that the provider asks for, if it does."""

    kind: Kind
    retry_after: float | None = None


def classify_fault(error: BaseException) -> Fault | None:
    """What passes of itself; None for an error that the same request would meet again."""
    cause = find_fault(error)
    return classify_cause(cause) if cause else None


def find_fault(error: BaseException) -> BaseException | None:
    """The provider's own error, of those that crewai has wrapped."""
    chain = list(walk_causes(error))
    if any(isinstance(cause, LLMContextLengthExceededError) for cause in chain):
        return None
    return next((cause for cause in chain if classify_cause(cause)), None)


def classify_cause(error: BaseException) -> Fault | None:
    if isinstance(error, ClientError):
        return classify_bedrock(error)
    if isinstance(error, HTTPClientError | BotoConnectionError):
        return Fault("unreachable")
    if type(error).__module__.partition(".")[0] not in {"openai", "anthropic"}:
        return None
    if any(base.__name__ == "APIConnectionError" for base in type(error).__mro__):
        return Fault("unreachable")
    status = getattr(error, "status_code", None)
    headers = getattr(getattr(error, "response", None), "headers", {})
    details = f"{getattr(error, 'code', '')} {getattr(error, 'type', '')}"
    if not isinstance(status, int) or OUT_OF_MONEY.search(details):
        return None
    return classify_status(status, read_retry_after(headers, datetime.now(UTC)))


def classify_bedrock(error: ClientError) -> Fault | None:
    code = error.response["Error"].get("Code", "")
    metadata: Mapping[str, Any] = error.response.get("ResponseMetadata") or {}
    if OUT_OF_MONEY.search(code):
        return None
    wait = read_retry_after(metadata.get("HTTPHeaders") or {}, datetime.now(UTC))
    if code in BEDROCK_FAULTS:
        kind: Kind = "throttled" if code.startswith(("Throttling", "TooMany")) else "unavailable"
        return Fault(kind, wait)
    return classify_status(metadata.get("HTTPStatusCode", 0), wait)


def classify_status(status: int, retry_after: float | None) -> Fault | None:
    if status in THROTTLING:
        return Fault("throttled", retry_after)
    if status >= 500 and status not in NEVER:
        return Fault("unavailable", retry_after)
    return None


def read_retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds of `retry-after-ms` or `retry-after`, which can be a date; None for nonsense."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        text = headers.get("retry-after")
        if not text:
            return None
        if re.fullmatch(r"\s*[\d.]+\s*", text):
            return float(text)
        due: datetime = parsedate_to_datetime(text)
        return max(0.0, (due - now).total_seconds())
    except (TypeError, ValueError):
        return None


def choose_delay(attempt: int, retry_after: float | None, jitter: float) -> float:
    """Seconds to wait after this many failures in a row: full jitter, between 2 s and 10 min.

    `jitter` lies in [0, 1). What the provider asks for is the least, and counts up to an hour.
    """
    ceiling = min(LONGEST_DELAY, SHORTEST_DELAY * 4.0**attempt)
    drawn = SHORTEST_DELAY + jitter * (ceiling - SHORTEST_DELAY)
    return max(drawn, min(retry_after or 0.0, 3600.0))


def walk_causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what it wraps, and so on."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        suppressed = current.__suppress_context__
        current = current.__cause__ or (None if suppressed else current.__context__)
