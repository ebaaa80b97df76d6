"""A task's lines in the logs of all functions, in order: `python -m infra.logs ENV TASK HOURS`.

Of the environment that `make up` started, if ENV is development and one runs; else of the account.
"""

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from infra.account import open_account
from infra.local.command import run_command
from infra.local.failure import LocalRunFailed
from infra.local.service import ENVIRONMENT
from infra.local.standing import find_standing
from quarterdeck.names import is_id

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

SHOWN_APART = ("timestamp", "service", "level", "message", "location", "task_id", "exception")
LEFT_OUT = ("exception_name", "stack_trace")


class Line(NamedTuple):
    at: str
    text: str


def find_groups(cloudformation: "CloudFormationClient", environment: str) -> list[str]:
    """The log groups of the environment's functions."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(
        StackName=f"Quarterdeck-{environment}-Service"
    )
    return [
        resource["PhysicalResourceId"]
        for page in pages
        for resource in page["StackResourceSummaries"]
        if resource["ResourceType"] == "AWS::Logs::LogGroup"
    ]


def read_lines(logs: Any, groups: list[str], task_id: str, since: datetime) -> list[Line]:
    """By the time that each line says itself: what one invocation logs can arrive at once."""
    return sorted(
        read_line(event["timestamp"], event["message"])
        for group in groups
        for event in find_events(logs, group, task_id, since)
    )


def find_events(logs: Any, group: str, task_id: str, since: datetime) -> Iterator[Any]:
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group,
        filterPattern=f'"{task_id}"',
        startTime=int(since.timestamp() * 1000),
    )
    for page in pages:
        yield from page["events"]


def read_line(arrived_ms: int, message: str) -> Line:
    try:
        fields = json.loads(message)
        at, service, level = (fields[name] for name in ("timestamp", "service", "level"))
    except (ValueError, TypeError, KeyError):
        arrived = datetime.fromtimestamp(arrived_ms / 1000, UTC)
        return Line(f"{arrived:%Y-%m-%d %H:%M:%S},{arrived_ms % 1000:03}+0000", message.strip())
    rest = {name: fields[name] for name in fields if name not in (*SHOWN_APART, *LEFT_OUT)}
    said = " ".join(f"{name}={spell_value(value)}" for name, value in rest.items())
    trace = f"\n{fields['exception']}".replace("\n", "\n    ") if "exception" in fields else ""
    return Line(at, f"{service:<10} {level:<7} {fields.get('message')} {said}".rstrip() + trace)


def spell_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def show_logs(
    open_client: Callable[[str], Any], environment: str, task_id: str, hours: float
) -> list[Line]:
    since = datetime.now(UTC) - timedelta(hours=hours)
    groups = find_groups(open_client("cloudformation"), environment)
    return read_lines(open_client("logs"), groups, task_id, since)


def main() -> None:
    environment, task_id, hours = sys.argv[1:]
    if not is_id(task_id):
        raise LocalRunFailed(f"TASK={task_id} is no task's id: say which, as the API names it")
    if not hours.isdecimal():
        raise LocalRunFailed(f"HOURS={hours} is no whole number of hours")
    standing = find_standing() if environment == ENVIRONMENT else None
    if standing:
        lines = show_logs(standing.open_client, environment, task_id, float(hours))
    else:
        with open_account() as account:
            open_client: Any = account.client
            lines = show_logs(open_client, environment, task_id, float(hours))
    for line in lines:
        print(line.at, line.text)  # noqa: T201 - a command
    if not lines:
        where = "the local environment" if standing else environment
        raise LocalRunFailed(f"no line about task {task_id} in the last {hours} hours of {where}")


if __name__ == "__main__":
    sys.exit(run_command(main))
