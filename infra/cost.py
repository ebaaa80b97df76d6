"""`make cost ENV=… TASKS=…`: what an environment costs in a month, by the list prices of AWS.

A line is a quantity and its price. Quantities of requests are those that the code makes, which a
test measures; how long a function runs and how much it logs are typical. Models are paid apart.
"""

import json
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from infra.environment import Environment, InvalidEnvironmentError, load_target
from infra.local.command import run_command
from infra.local.failure import LocalRunFailed

PRICES = Path(__file__).with_name("prices.json")
GB = 1_000_000_000
DAYS, HOURS, MINUTES = 30.4, 730, 43_800
"""Of a month."""


class Units(NamedTuple):
    """Of DynamoDB: reads by 4 KB, strongly consistent; writes by 1 KB, twice in a transaction."""

    read: float
    written: float


# Measured by tests/unit/execution/test_cost.py, with 2 KB of text in a request and in each answer.
TASK = Units(read=18, written=50)
CALL = Units(read=0.7, written=13)
"""Of a model, in a task: a heartbeat, its record, its step's events, its part of the result."""
POLL = Units(read=4, written=0)
IDLE_MINUTE = Units(read=8.5, written=1)
ACTIVE_MINUTE = Units(read=13.5, written=6)
"""Of the monitor, for a system with something to do, besides; a task's end that is told in it."""
TASK_BYTES, CALL_BYTES, JOURNAL_BYTES = 5_500, 3_000, 2_700
"""Kept: of a task, of each call's step in it, and of each call's record."""

# What the templates hold, as tests/stack/test_cost.py counts it.
ALARMS, KEYS, SECRETS, DASHBOARDS, QUEUES, FUNCTIONS = 34, 3, 2, 1, 3, 7
POLLERS, POLLS_A_MINUTE = 5, 3
"""Lambda's, of each queue that starts a function, waiting 20 s each."""
METRICS_OF_A_CREW = 14
BACKUPS_KEPT_DAYS, BACKUPS_RECOVERABLE_DAYS, RESTORE_TESTS = 30, 30, 4.35
"""What retention deletes, S3 keeps as a former version, and charges as any other."""
BACKUPS_A_MONTH = {"hourly": 730.0, "daily": 30.4, "none": 0.0}
MEMORY_GB = {"api": 0.5, "authorizer": 0.25, "worker": 2.0, "monitor": 0.5}
SECONDS = {"api": 0.08, "authorizer": 0.03, "monitor": 0.3}
"""Of one invocation that is warm."""
START_SECONDS = 0.5
"""Of a worker's invocation, beside its task."""
LOGGED = {"DEBUG": 20_000, "INFO": 3_000, "WARNING": 1_000, "ERROR": 1_000}
"""Bytes of a task's invocations; Lambda's own lines are there at every level."""
LOGGED_INVOCATION = 400
KMS_REQUESTS = 12 * HOURS
"""Of a function: DynamoDB and S3 ask again for a key after five minutes."""


class Usage(NamedTuple):
    """Of a month: tasks, the calls of models and seconds of each, and the requests about it."""

    tasks: int
    calls: int = 4
    duration: float = 30.0
    requests: int = 6
    crews: int = 1


IDLE = Usage(tasks=0, crews=0)


class Line(NamedTuple):
    """`what` for people; `quantity` of what is priced under the name."""

    what: str
    price: str
    quantity: float

    @property
    def usd(self) -> float:
        return self.quantity * load_prices()[self.price]


@cache
def load_prices() -> dict[str, float]:
    """USD for one."""
    table = json.loads(PRICES.read_text(encoding="utf-8"))["prices"]
    return {name: price["usd"] / price["per"] for name, price in table.items()}


def estimate_cost(environment: Environment, usage: Usage) -> list[Line]:
    """Of a month that is like the one before."""
    return [
        *list_standing(environment),
        *list_running(usage),
        *list_state(environment, usage),
        *list_backups(environment, usage),
    ]


def list_standing(environment: Environment) -> Iterator[Line]:
    """What is paid whatever is done."""
    yield Line("keys", "kms_key_month", KEYS)
    yield Line("secrets", "secret_month", SECRETS)
    yield Line("alarms", "alarm_month", ALARMS)
    yield Line("dashboard", "dashboard_month", DASHBOARDS)
    yield Line("queues, waiting", "sqs_request", QUEUES * POLLERS * POLLS_A_MINUTE * MINUTES)
    yield Line("monitor, invocations", "lambda_request", MINUTES)
    seconds = MINUTES * SECONDS["monitor"] * MEMORY_GB["monitor"]
    yield Line("monitor, running", "lambda_gb_second_arm64", seconds)
    yield Line("monitor, reads", "dynamodb_read_unit", MINUTES * IDLE_MINUTE.read)
    yield Line("monitor, writes", "dynamodb_write_unit", MINUTES * IDLE_MINUTE.written)
    yield Line("monitor, log", "log_gb", MINUTES * LOGGED_INVOCATION / GB)
    yield Line("requests to KMS", "kms_request", FUNCTIONS * KMS_REQUESTS)
    ready = environment.provisioned_concurrency * MEMORY_GB["api"] * MINUTES * 60
    yield Line("API, instances ready", "lambda_provisioned_gb_second_arm64", ready)


def list_running(usage: Usage) -> Iterator[Line]:
    """What tasks and requests make functions, queues and the API do."""
    tasks, requests = usage.tasks, usage.tasks * usage.requests
    running = tasks * (usage.duration + START_SECONDS) * MEMORY_GB["worker"]
    yield Line("worker, running", "lambda_gb_second_arm64", running)
    asked = sum(SECONDS[name] * MEMORY_GB[name] for name in ("api", "authorizer"))
    yield Line("API, running", "lambda_gb_second_arm64", requests * asked)
    yield Line("invocations", "lambda_request", tasks + 2 * requests)
    yield Line("requests", "http_api_request", requests)
    # Sent, received, deleted.
    yield Line("messages", "sqs_request", 3 * tasks)
    # Metrics are billed by the hour in which they are told.
    hours = min(HOURS, tasks)
    yield Line("metrics", "metric_month", usage.crews * METRICS_OF_A_CREW * hours / HOURS)


def list_state(environment: Environment, usage: Usage) -> Iterator[Line]:
    """What is read, written, kept and logged for tasks."""
    tasks, calls = usage.tasks, usage.tasks * usage.calls
    # A system is looked at for a quarter of an hour after each task at the least.
    active = min(MINUTES, 15 * tasks) * min(1, usage.crews)
    polls = tasks * max(0, usage.requests - 1)
    read = tasks * TASK.read + calls * CALL.read + polls * POLL.read + active * ACTIVE_MINUTE.read
    yield Line("reads", "dynamodb_read_unit", read)
    written = tasks * TASK.written + calls * CALL.written + active * ACTIVE_MINUTE.written
    yield Line("writes", "dynamodb_write_unit", written)
    kept = count_stored(environment, usage) * measure_task(usage) / GB
    journals = calls * JOURNAL_BYTES * environment.retention.journals_days / DAYS / GB
    yield Line("table", "dynamodb_gb_month", kept + journals)
    yield Line("table, recovery", "dynamodb_recovery_gb_month", kept + journals)
    yield Line("logs", "log_gb", tasks * LOGGED[environment.log_level] / GB)


def list_backups(environment: Environment, usage: Usage) -> Iterator[Line]:
    """Each is of all that is kept, and so is the restore test of each week."""
    backups = BACKUPS_A_MONTH[environment.backup_frequency]
    stored = count_stored(environment, usage)
    bytes_kept = stored * measure_task(usage)
    yield Line("backups, reads", "dynamodb_read_unit", backups * (stored + bytes_kept / 4_000))
    # zstd makes a third of text.
    held = backups * (BACKUPS_KEPT_DAYS + BACKUPS_RECOVERABLE_DAYS) / DAYS
    yield Line("backups, kept", "s3_gb_month", held * bytes_kept / 3 / GB)
    # Written in transactions, and deleted.
    tests = RESTORE_TESTS if backups else 0.0
    yield Line("restore tests, writes", "dynamodb_write_unit", tests * 3 * bytes_kept / 1_000)


def count_stored(environment: Environment, usage: Usage) -> float:
    """Tasks in the table."""
    return usage.tasks * environment.retention.tasks_days / DAYS


def measure_task(usage: Usage) -> int:
    """Bytes of what is kept for long."""
    return TASK_BYTES + usage.calls * CALL_BYTES


def add_up(lines: list[Line]) -> float:
    return sum(line.usd for line in lines)


def format_table(environment: Environment, usage: Usage) -> str:
    """A line for each cost of at least a cent, with the month that nothing happens in beside it."""
    idle = {line.what: line.usd for line in estimate_cost(environment, IDLE)}
    lines = estimate_cost(environment, usage)
    rows = [f"{'USD a month':<24}{'idle':>10}{f'{usage.tasks:,} tasks':>18}"]
    rows += [
        f"{line.what:<24}{idle[line.what]:>10.2f}{line.usd:>18.2f}"
        for line in lines
        if line.usd >= 0.005
    ]
    return "\n".join([*rows, f"{'all':<24}{sum(idle.values()):>10.2f}{add_up(lines):>18.2f}"])


def read_usage() -> Usage:
    """From the variables that the make target hands on; raises LocalRunFailed."""
    given: dict[str, Any] = {}
    for name, kind in Usage.__annotations__.items():
        if text := os.environ.get(name.upper()):
            try:
                given[name] = kind(text)
            except ValueError as error:
                raise LocalRunFailed(f"{name.upper()}: {error}") from None
            if given[name] < 0:
                raise LocalRunFailed(f"{name.upper()}: must not be under 0")
    return Usage(**{"tasks": 100_000} | given)


def main() -> None:
    try:
        environment = load_target(sys.argv[1]).environment
    except InvalidEnvironmentError as error:
        raise LocalRunFailed(str(error)) from None
    table = json.loads(PRICES.read_text(encoding="utf-8"))
    usage = read_usage()
    print(f"{sys.argv[1]}, {table['region']}, prices of {table['as_of']}: check them")  # noqa: T201
    print(  # noqa: T201 - a command
        f"{usage.calls} calls of models and {usage.duration:g} s a task, {usage.requests} requests "
        f"of the API each, {usage.crews} busy crews; models are paid apart\n"
    )
    print(format_table(environment, usage))  # noqa: T201 - a command


if __name__ == "__main__":
    sys.exit(run_command(main))
