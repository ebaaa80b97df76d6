"""Faults of a provider that pass, those that do not, and the waits between attempts."""

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import anthropic
import httpx
import openai
import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
)
from crewai.llms.base_llm import BaseLLM
from crewai.utilities.exceptions.context_window_exceeding_exception import (
    LLMContextLengthExceededError,
)
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.execution.journal import Journal
from quarterdeck.execution.journal_store import MemoryStore
from quarterdeck.execution.llms import build_llm
from quarterdeck.execution.patches import apply_patches
from quarterdeck.execution.provider_faults import (
    Fault,
    choose_delay,
    classify_fault,
    read_retry_after,
)
from quarterdeck.execution.request_limits import limit_request
from quarterdeck.execution.stopping import Stop
from quarterdeck.systems.configuration import Llm
from tests.openai_server import OpenAIServer
from tests.unit.execution.journals import make_llm, say

REQUEST = httpx.Request("POST", "http://model")
NOW = datetime(2026, 11, 23, 1, 40, tzinfo=UTC)


def refuse(sdk: Any, status: int, body: Any = None, **headers: str) -> Exception:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    response = httpx.Response(status, headers=sent, request=REQUEST)
    error: Exception = sdk.APIStatusError("refused", response=response, body=body)
    return error


def refuse_bedrock(code: str, status: int, **headers: str) -> Exception:
    metadata: Any = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": metadata}, "Converse")


def wrap(error: Exception, wrapper: Exception) -> Exception:
    """As crewai does with its providers' errors."""
    try:
        raise wrapper from error
    except type(wrapper) as wrapped:
        return wrapped


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (refuse(openai, 429), Fault("throttled")),
        (refuse(openai, 429, retry_after="7"), Fault("throttled", 7)),
        (refuse(openai, 429, {"code": "insufficient_quota"}), None),
        (refuse(openai, 503, retry_after_ms="1500"), Fault("unavailable", 1.5)),
        (refuse(openai, 400), None),
        (refuse(openai, 401), None),
        (refuse(openai, 501), None),
        (refuse(anthropic, 529), Fault("unavailable")),
        (refuse(anthropic, 429), Fault("throttled")),
        (openai.APITimeoutError(request=REQUEST), Fault("unreachable")),
        (anthropic.APIConnectionError(request=REQUEST), Fault("unreachable")),
        (
            wrap(openai.APIConnectionError(request=REQUEST), ConnectionError("x")),
            Fault("unreachable"),
        ),
        (refuse_bedrock("ThrottlingException", 429), Fault("throttled")),
        (refuse_bedrock("ServiceUnavailableException", 503), Fault("unavailable")),
        (refuse_bedrock("ModelTimeoutException", 408), Fault("unavailable")),
        (refuse_bedrock("Unknown", 500), Fault("unavailable")),
        (refuse_bedrock("ValidationException", 400), None),
        (refuse_bedrock("AccessDeniedException", 403), None),
        (refuse_bedrock("ServiceQuotaExceededException", 400), None),
        (
            wrap(
                refuse_bedrock("ThrottlingException", 429, **{"retry-after": "3"}),
                RuntimeError("throttled"),
            ),
            Fault("throttled", 3),
        ),
        (ReadTimeoutError(endpoint_url="u"), Fault("unreachable")),
        (EndpointConnectionError(endpoint_url="u"), Fault("unreachable")),
        (ParamValidationError(report="r"), None),
        (wrap(refuse(openai, 429), LLMContextLengthExceededError("too long")), None),
        (ValueError("status 429, rate limit"), None),
        (TimeoutError("of a step"), None),
    ],
)
def test_what_passes_is_told_from_what_does_not(error: Exception, fault: Fault | None) -> None:
    assert classify_fault(error) == fault


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12),
        ({"retry-after": "Mon, 23 Nov 2026 01:40:30 GMT"}, 30),
        ({"retry-after": "Mon, 23 Nov 2026 01:39:30 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after-ms": "nonsense", "retry-after": "1"}, None),
    ],
)
def test_retry_after_is_read_as_seconds(headers: dict[str, str], seconds: float | None) -> None:
    assert read_retry_after(headers, NOW) == seconds


@given(
    st.integers(1, 5),
    st.none() | st.floats(0, 10_000),
    st.floats(0, 1, exclude_max=True),
)
def test_a_delay_is_bounded_and_never_shorter_than_asked(
    attempt: int, retry_after: float | None, jitter: float
) -> None:
    delay = choose_delay(attempt, retry_after, jitter)
    assert 2 <= delay <= 3600
    assert delay >= min(retry_after or 0, 3600)
    assert retry_after is not None or delay <= 600


def test_delays_grow_up_to_ten_minutes() -> None:
    longest = [choose_delay(attempt, None, 0.999999) for attempt in range(1, 6)]
    assert longest == sorted(longest)
    assert longest[0] < 10
    assert 599 < longest[-1] <= 600


class Provider:
    """Answers each of `refusals` first, as (status, Retry-After), and then as OpenAI does."""

    def __init__(self, *refusals: tuple[int, str]) -> None:
        self.refusals = list(refusals)
        self.asked = 0
        self.model = OpenAIServer(lambda _: say("fine")).__enter__()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                provider.asked += 1
                status, wait, answer = 200, "", provider.complete(body)
                if provider.refusals:
                    (status, wait), answer = provider.refusals.pop(0), b"{}"
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                if wait:
                    self.send_header("Retry-After", wait)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    def complete(self, body: bytes) -> bytes:
        return json.dumps(self.model.complete(json.loads(body))).encode()


@pytest.fixture
def serve() -> Iterator[Callable[..., Provider]]:
    providers: list[Provider] = []

    def start(*refusals: tuple[int, str]) -> Provider:
        providers.append(Provider(*refusals))
        return providers[-1]

    yield start
    for provider in providers:
        provider.server.shutdown()
        provider.server.server_close()
        provider.model.__exit__()


def ask(provider: Provider, journal: Journal, method: str = "call") -> Any:
    with journal.open(str):
        answer = getattr(make_llm(provider.url), method)("Why?")
        return answer if method == "call" else asyncio.run(answer)


@pytest.mark.parametrize("method", ["call", "acall"])
def test_a_fault_that_passes_is_waited_out_in_the_worker(
    method: str, serve: Callable[..., Provider]
) -> None:
    slept: list[float] = []
    journal = Journal(MemoryStore(), attempts=2, sleep=slept.append)
    provider = serve((429, "9.5"), (503, "5"))
    journal.gate._draw = lambda: 0.0
    assert ask(provider, journal, method) == "fine"
    assert provider.asked == 3
    assert sum(slept) == pytest.approx(9.5 + 5)
    assert max(slept) <= 1
    assert journal.gate.attempts == 0
    counts = journal.tally.read()
    assert (counts.pop("throttled"), counts.pop("retries")) == (1, 2)
    assert 0 <= counts.pop("llm_ms") < 60_000
    assert list(counts.values()) == [1]


def test_while_it_waits_the_worker_may_stop(serve: Callable[..., Provider]) -> None:
    slept: list[float] = []

    def guard() -> None:
        if len(slept) == 3:
            raise Stop("cancelled")

    provider = serve((429, "30"))
    with pytest.raises(Stop, match="cancelled"):
        ask(provider, Journal(MemoryStore(), guard, sleep=slept.append))
    assert (provider.asked, len(slept)) == (1, 3)


def test_a_request_that_the_workers_end_has_cut_is_no_fault(
    serve: Callable[..., Provider],
) -> None:
    provider = serve((503, ""))

    def guard() -> None:
        if provider.asked:
            raise Stop("out_of_time")

    journal = Journal(MemoryStore(), guard)
    with pytest.raises(Stop, match="out_of_time"):
        ask(provider, journal)
    assert journal.gate.attempts == 0


@pytest.mark.parametrize(("wait", "time_left"), [("60", math.inf), ("30", 20.0)])
def test_a_long_wait_gives_the_slot_back(
    wait: str, time_left: float, serve: Callable[..., Provider]
) -> None:
    provider = serve((429, wait))
    journal = Journal(MemoryStore(), attempts=1, time_left=lambda: time_left, sleep=lambda _: None)
    with pytest.raises(Stop) as stopped:
        ask(provider, journal)
    assert (stopped.value.reason, stopped.value.attempts) == ("retry", 2)
    assert stopped.value.delay >= float(wait)
    assert provider.asked == 1
    assert journal.tally.read() == {"throttled": 1}


def test_after_five_attempts_the_task_fails_with_the_providers_error(
    serve: Callable[..., Provider],
) -> None:
    provider = serve(*[(429, "")] * 9)
    journal = Journal(MemoryStore(), sleep=lambda _: None)
    journal.gate._draw = lambda: 0.0
    with pytest.raises(Stop) as stopped:
        ask(provider, journal)
    assert (stopped.value.reason, provider.asked) == ("failed", 5)
    assert stopped.value.error
    assert stopped.value.error.type == "RateLimitError"


def test_what_does_not_pass_is_asked_once(serve: Callable[..., Provider]) -> None:
    provider = serve((401, ""), (401, ""))
    store = MemoryStore()
    with pytest.raises(openai.AuthenticationError):
        ask(provider, Journal(store))
    assert provider.asked == 1
    assert not store.entries


def test_providers_do_not_try_again_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    for model in ("openai/gpt", "anthropic/claude", "ollama/llama3"):
        llm: Any = build_any(model)
        assert (llm.max_retries, llm._get_sync_client().max_retries) == (0, 0)
    bedrock: Any = build_any("bedrock/amazon.nova-pro-v1:0")
    assert bedrock._get_sync_client().meta.config.retries["total_max_attempts"] == 1


def test_requests_are_cut_to_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    for model in ("openai/gpt", "anthropic/claude", "ollama/llama3"):
        llm: Any = build_any(model)
        for left, limit in ((12.5, 12.5), (600, 60), (math.inf, 60), (-1, 1)):
            limit_request(llm, left)
            assert llm._get_sync_client().timeout == limit
    bedrock: Any = build_any("bedrock/amazon.nova-pro-v1:0")
    limit_request(bedrock, 600)
    assert bedrock._get_sync_client().meta.config.read_timeout == 60
    limit_request(bedrock, 12.5)
    assert bedrock._get_sync_client().meta.config.read_timeout == 12.5


@pytest.mark.parametrize("method", ["call", "acall"])
def test_a_call_is_cut_to_the_time_left(
    method: str, serve: Callable[..., Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts: list[float] = []
    monkeypatch.setattr(
        "quarterdeck.execution.journaled_calls.limit_request",
        lambda _, seconds: cuts.append(seconds),
    )
    assert ask(serve(), Journal(MemoryStore(), time_left=lambda: 12.5), method) == "fine"
    assert cuts == [12.5]


def build_any(model: str) -> BaseLLM:
    apply_patches()
    secret = None if model.startswith(("bedrock", "ollama")) else "key"
    return build_llm(Llm(model=model, secret=secret), lambda _: "key-1", 60)
