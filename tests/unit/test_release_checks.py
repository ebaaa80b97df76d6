"""What CodeDeploy is told of a release, and what somebody reads who looks why it was refused."""

import io
import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

import release_check
from quarterdeck.observability import logger
from quarterdeck.release_checks import (
    HEALTH,
    REHEARSAL,
    HookEvent,
    ReleaseCheck,
    answer_hook,
)
from quarterdeck.settings import load_settings

WORKER, API = "arn:aws:lambda:eu-west-1:1:function:worker:7", "arn:aws:lambda:…:api:7"
HOOK = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "abc"}
WELL = {
    WORKER: {"fault": None, "tool": "calculator", "model_calls": 3},
    API: {"statusCode": 200, "body": "{}"},
}

type Answers = dict[str, Any]


class Functions:
    """Lambda: an answer of each version, or what it raised."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: dict[str, Any] = {}

    def invoke(self, **request: Any) -> dict[str, Any]:
        self.asked[request["FunctionName"]] = json.loads(request["Payload"])
        answer = self.answers[request["FunctionName"]]
        if isinstance(answer, Exception):
            raise answer
        failed = {"FunctionError": "Unhandled"} if "errorType" in answer else {}
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), **failed}


@pytest.fixture
def find() -> Callable[[Answers], list[str]]:
    """The faults, where the versions answer otherwise than they should."""

    def find_faults(answers: Answers) -> list[str]:
        functions: Any = Functions(WELL | answers)
        return ReleaseCheck(functions, WORKER, API).find_faults()

    return find_faults


def test_the_new_worker_rehearses_and_the_new_api_says_that_it_is_there() -> None:
    functions: Any = Functions(WELL)
    assert ReleaseCheck(functions, WORKER, API).find_faults() == []
    assert functions.asked == {WORKER: REHEARSAL, API: HEALTH}


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (
            {"fault": "the tool 'calculator' said nothing, and not 42"},
            "the tool 'calculator' said nothing, and not 42",
        ),
        (
            {"errorType": "Runtime.ImportModuleError", "errorMessage": "No module named 'crewai'"},
            "FunctionFailed: Runtime.ImportModuleError: No module named 'crewai'",
        ),
        ({}, "KeyError: 'fault'"),
        (
            ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "Invoke"),
            "ClientError: An error occurred (AccessDeniedException) when calling the Invoke "
            "operation: no",
        ),
    ],
)
def test_a_worker_that_does_not_rehearse_is_a_fault(
    find: Callable[[Answers], list[str]], answer: Any, fault: str
) -> None:
    assert find({WORKER: answer}) == [f"worker: {fault}"]


def test_both_are_asked_whatever_the_one_says(find: Callable[[Answers], list[str]]) -> None:
    broken = {"errorType": "Sandbox.Timedout"}
    assert find({WORKER: broken, API: {"statusCode": 500, "body": "no"}}) == [
        "worker: FunctionFailed: Sandbox.Timedout",
        "api: GET /health answers 500: no",
    ]


@pytest.mark.parametrize(("faults", "status"), [([], "Succeeded"), (["worker: no"], "Failed")])
def test_codedeploy_is_told(
    faults: list[str], status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[Any] = []
    monkeypatch.setattr(logger, "error", lambda text, **fields: logged.append((text, fields)))
    codedeploy = boto3.client("codedeploy", region_name="eu-west-1")
    with Stubber(codedeploy) as stubber:
        expect_status(stubber, status)
        answer_hook(codedeploy, HookEvent.model_validate(HOOK), faults)
        stubber.assert_no_pending_responses()
    said = ("The release is refused", {"deployment": "d-1", "faults": faults})
    assert logged == ([said] if faults else [])


def expect_status(stubber: Any, status: str) -> None:
    stubber.add_response(
        "put_lifecycle_event_hook_execution_status",
        {"lifecycleEventHookExecutionId": "abc"},
        {"deploymentId": "d-1", "lifecycleEventHookExecutionId": "abc", "status": status},
    )


def test_a_function_that_cannot_be_called_fails_the_release_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CodeDeploy would wait an hour for a check that says nothing."""
    settings = {"WORKER_VERSION": WORKER, "API_VERSION": API, "ENVIRONMENT": "staging"}
    for name, value in {**settings, "LOG_LEVEL": "INFO", "DEBUG_MODE": "false"}.items():
        monkeypatch.setenv(name, value)
    load_settings.cache_clear()
    release_check.load_check.cache_clear()
    codedeploy = boto3.client("codedeploy", region_name="eu-west-1")
    functions = Functions({WORKER: OSError("unreachable"), API: OSError("unreachable")})
    clients = {"lambda": functions, "codedeploy": codedeploy}
    monkeypatch.setattr(boto3, "client", lambda name, **_: clients[name])
    context: Any = None
    with Stubber(codedeploy) as stubber:
        expect_status(stubber, "Failed")
        release_check.lambda_handler(HOOK, context)
        stubber.assert_no_pending_responses()
    load_settings.cache_clear()
    release_check.load_check.cache_clear()
