"""Calls of the tools function: what is tried again, what may not be, what a caller is told."""

import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from quarterdeck.execution.journaled_tool import CallInDoubt
from quarterdeck.execution.tool_function import CLIENT, READ_SECONDS, ToolFunction, ToolsUnreachable
from quarterdeck.tooling.messages import ToolAnswer, ToolRequest
from tests.unit.tooling.manifests import describe

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

REQUEST = ToolRequest(tool="probe", arguments={"x": 1}, idempotency_key="key-1", seconds=2)
READER = describe("probe", has_effect=False, in_doubt="repeat")
SENDER = describe("probe", has_effect=True, in_doubt="fail")
REPEATER = describe("probe", has_effect=True, in_doubt="repeat")
URL = "https://lambda.eu-west-1.amazonaws.com"


def refuse(code: str, status: int) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": "arn:aws:lambda:secret"},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "x",
                "HTTPHeaders": {},
                "HostId": "x",
                "RetryAttempts": 0,
            },
        },
        "Invoke",
    )


THROTTLED = refuse("TooManyRequestsException", 429)
BROKEN = refuse("ServiceException", 500)
SILENT = ReadTimeoutError(endpoint_url=URL)
UNREACHED = [EndpointConnectionError(endpoint_url=URL), ConnectTimeoutError(endpoint_url=URL)]


class FakeLambda:
    """Fails as it is told, then answers; keeps what it was sent, and for how long it was left."""

    def __init__(self, *faults: Exception, answer: Any = None, error: str | None = None) -> None:
        self.faults = list(faults)
        self.answer = answer if answer is not None else {"text": "Done."}
        self.error = {"FunctionError": error} if error else {}
        self.sent: list[dict[str, Any]] = []
        self.slept: list[float] = []

    def invoke(self, **call: Any) -> dict[str, Any]:
        assert call["FunctionName"] == "tools"
        self.sent.append(json.loads(call["Payload"]))
        if self.faults:
            raise self.faults.pop(0)
        return {"Payload": io.BytesIO(json.dumps(self.answer).encode()), **self.error}

    def open(self) -> ToolFunction:
        return ToolFunction(cast("LambdaClient", self), "tools", self.slept.append)


def test_a_call_is_sent_as_it_is() -> None:
    aws = FakeLambda()
    assert aws.open().call(READER, REQUEST) == ToolAnswer(text="Done.")
    assert aws.sent == [
        {"tool": "probe", "arguments": {"x": 1}, "idempotency_key": "key-1", "seconds": 2}
    ]
    aws.open().check(READER)
    assert aws.sent[1] == {"tool": "probe", "check": True}


@pytest.mark.parametrize("fault", [THROTTLED, *UNREACHED])
@pytest.mark.parametrize("tool", [READER, SENDER])
def test_what_has_not_begun_is_tried_again(tool: Any, fault: Exception) -> None:
    aws = FakeLambda(fault, fault, fault)
    assert aws.open().call(tool, REQUEST).text == "Done."
    assert len(aws.sent) == 4
    shares = [slept / delay for slept, delay in zip(aws.slept, (0.5, 1, 2), strict=True)]
    assert all(1 <= share < 2 for share in shares)


@pytest.mark.parametrize("fault", [BROKEN, SILENT])
@pytest.mark.parametrize("tool", [READER, REPEATER])
def test_what_may_have_acted_is_repeated_with_the_same_key(tool: Any, fault: Exception) -> None:
    aws = FakeLambda(fault)
    assert aws.open().call(tool, REQUEST).text == "Done."
    assert {sent["idempotency_key"] for sent in aws.sent} == {"key-1"}
    assert len(aws.sent) == 2


@pytest.mark.parametrize("fault", [BROKEN, SILENT])
def test_what_may_have_acted_is_not_repeated_against_its_policy(fault: Exception) -> None:
    aws = FakeLambda(fault)
    with pytest.raises(CallInDoubt):
        aws.open().call(SENDER, REQUEST)
    assert len(aws.sent) == 1


@pytest.mark.parametrize(
    ("make_fault", "reason", "calls"),
    [
        (lambda: THROTTLED, "TooManyRequestsException", 6),
        (lambda: SILENT, "ReadTimeoutError", 6),
        (lambda: refuse("AccessDeniedException", 403), "AccessDeniedException", 1),
        (lambda: refuse("RequestTooLargeException", 413), "RequestTooLargeException", 1),
    ],
)
def test_a_function_that_cannot_be_called_is_named_without_its_address(
    make_fault: Callable[[], Exception], reason: str, calls: int
) -> None:
    aws = FakeLambda(*[make_fault() for _ in range(9)])
    with pytest.raises(ToolsUnreachable) as raised:
        aws.open().call(READER, REQUEST)
    assert str(raised.value) == f"the tools function cannot be called: {reason}"
    assert len(aws.sent) == calls


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        ({"errorType": "Sandbox.Timedout", "errorMessage": "…"}, "Unhandled", "Sandbox.Timedout"),
        ({"errorMessage": "…"}, "Unhandled", "Unhandled"),
        ("nonsense", None, "its answer cannot be read"),
    ],
)
def test_a_function_that_ends_without_an_answer_is_told_of(
    answer: Any, error: str | None, reason: str
) -> None:
    said = FakeLambda(answer=answer, error=error).open().call(SENDER, REQUEST)
    assert str(said.error) == (
        f"ToolsFunctionCrashed: it ended without an answer ({reason}); "
        "whether the tool acted is not known"
    )


def test_boto_repeats_nothing_by_itself_and_waits_for_the_function() -> None:
    config: Any = CLIENT
    assert config.retries == {"total_max_attempts": 1}
    assert config.read_timeout == READ_SECONDS
