"""`make logs`: a task's lines of all functions, in the order in which they were said."""

import json
import sys
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from infra import logs
from infra.local.failure import LocalRunFailed
from infra.logs import read_lines

NOW = datetime.now(UTC)
TASK, OTHER = "a" * 24, "b" * 24


def say(group: str, second: int, message: str, task_id: str = TASK, **rest: object) -> None:
    """A line of a function, which arrives a minute later with all of its invocation."""
    client = boto3.client("logs")
    at = NOW - timedelta(minutes=10) + timedelta(seconds=second)
    line = {
        "level": "INFO",
        "location": "run:1",
        "message": message,
        "timestamp": f"{at:%Y-%m-%d %H:%M:%S},000+0000",
        "service": group,
        "task_id": task_id,
        **rest,
    }
    client.put_log_events(
        logGroupName=group,
        logStreamName="stream",
        logEvents=[
            {"timestamp": int(NOW.timestamp() * 1000) - 60_000, "message": json.dumps(line)}
        ],
    )


@pytest.fixture
def groups(aws: None) -> list[str]:
    client = boto3.client("logs")
    for name in ("api", "worker", "tools"):
        client.create_log_group(logGroupName=name)
        client.create_log_stream(logGroupName=name, logStreamName="stream")
    return ["worker", "tools", "api"]


def test_lines_are_in_order_whichever_function_said_them(groups: list[str]) -> None:
    say("worker", 2, "Running", correlation_id="c-1")
    say("worker", 2, "Running", OTHER)
    say("tools", 3, "Ran", tool="calculator")
    say("worker", 4, "Ended", status="succeeded", exception="Traceback\n  Boom")
    say("api", 1, "Submitted")
    found = read_lines(boto3.client("logs"), groups, TASK, NOW - timedelta(hours=1))
    assert [line.text for line in found] == [
        "api        INFO    Submitted",
        "worker     INFO    Running correlation_id=c-1",
        "tools      INFO    Ran tool=calculator",
        "worker     INFO    Ended status=succeeded\n    Traceback\n      Boom",
    ]
    assert read_lines(boto3.client("logs"), groups, TASK, NOW) == []


def test_a_line_that_is_no_json_is_shown_as_it_is(groups: list[str]) -> None:
    line = logs.read_line(1_764_000_000_123, f"Task timed out: {TASK}\n")
    assert line == ("2025-11-24 16:00:00,123+0000", f"Task timed out: {TASK}")


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["staging", "", "24"], "TASK= is no task's id"),
        (["staging", 'x" "', "24"], "no task's id"),
        (["staging", TASK, "soon"], "HOURS=soon is no whole number"),
    ],
)
def test_what_is_no_task_is_refused(
    arguments: list[str], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["logs", *arguments])
    with pytest.raises(LocalRunFailed, match=fault):
        logs.main()


def test_an_environment_that_is_not_there_is_said(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["logs", "staging", TASK, "24"])
    with pytest.raises(LocalRunFailed, match="Quarterdeck-staging-Service"):
        logs.main()
