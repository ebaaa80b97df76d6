"""Metrics over the API, of tasks that were played through."""

import re
from collections.abc import Mapping
from datetime import timedelta

import pytest

from quarterdeck.http.services import Services
from quarterdeck.metrics.buckets import add_counters, count_outcome
from quarterdeck.names import parse_time, read_clock
from quarterdeck.systems.records import System
from quarterdeck.tasks.outcome import Outcome, TaskError, Usage
from tests import systems
from tests.api_calls import Answer, call

USAGE = Usage(prompt_tokens=10, completion_tokens=4, requests=2, cost_usd=0.01, unpriced=1)
DONE = Outcome(status="succeeded", usage=USAGE, duration_ms=1000)
FAILED = Outcome(status="failed", error=TaskError(type="RateLimitError", message="no"))
CANCELLED = Outcome(status="cancelled")


@pytest.fixture
def system(services: Services) -> System:
    crews = [systems.crew("research", min_agents=2), systems.crew("editing")]
    configuration = systems.system(
        crews=crews, thresholds={"utilization": {"warning": 0.4, "critical": 5.0}}
    )
    return systems.deploy(services.systems, configuration)


def end(services: Services, system: System, outcome: Outcome, minutes_ago: int = 0) -> None:
    """A task of `research` that took two seconds."""
    at = read_clock() - timedelta(minutes=minutes_ago)
    services.table.write(count_outcome(system.scope, "research", outcome, 2000, at))


def get(system: System, path: str = "", **query: str) -> Answer:
    return call("GET", f"/crews/{system.system_id}/metrics{path}", query=query)


def test_metrics_are_told_and_judged(services: Services, system: System) -> None:
    for outcome in [DONE] * 18 + [FAILED] * 2 + [CANCELLED] * 5:
        end(services, system, outcome)
    body = {"description": "x", "crew_name": "research"}
    for _ in range(3):
        call("POST", f"/crews/{system.system_id}/tasks", body)
    answer = get(system)
    assert answer.status == 200
    prefix = f"{system.system_id}_research_"
    names = ("completion_rate", "error_rate", "avg_response_time", "workload", "utilization")
    assert {name for name in answer.json["metrics"] if name.startswith(prefix)} == {
        prefix + name for name in names
    }
    told = {name: answer.json["metrics"][prefix + name] for name in names}
    (timestamp,) = {each.pop("timestamp") for each in told.values()}
    assert abs(parse_time(timestamp) - read_clock()) < timedelta(minutes=1)
    assert told == {
        "completion_rate": {
            "current": 0.9,
            "state": "ok",
            "samples": 20,
            "thresholds": {"warning": 0.8, "critical": 0.6},
        },
        "error_rate": {
            "current": 0.1,
            "state": "warning",
            "samples": 20,
            "thresholds": {"warning": 0.05, "critical": 0.1},
        },
        "avg_response_time": {
            "current": 2.0,
            "state": "ok",
            "samples": 25,
            "thresholds": {"warning": 60.0, "critical": 120.0},
        },
        "workload": {"current": 3, "state": "ok", "samples": 1},
        "utilization": {
            "current": 1.5,
            "state": "warning",
            "samples": 1,
            "thresholds": {"warning": 0.4, "critical": 5.0},
        },
    }


def test_details_of_a_crew(services: Services, system: System) -> None:
    for outcome in (DONE, DONE, FAILED):
        end(services, system, outcome)
    more = {"tool_calls": 3, "throttled": 2, "continuations": 1, "crashes": 1, "retries": 4}
    more["memory_faults"] = 5
    services.table.write(add_counters(system.scope, "research", read_clock(), more))
    details = get(system, crew="research").json["crews"]["research"]
    times = {name: details.pop(name) for name in ("response_time", "running_time", "model_time")}
    assert details == {
        "queued": 0,
        "running": 0,
        "capacity": 2,
        "arrivals": 0,
        "outcomes": {"succeeded": 2, "failed": 1}
        | dict.fromkeys(("timed_out", "cancelled", "interrupted"), 0),
        "errors": {"RateLimitError": 1},
        "tokens": {"prompt": 20, "completion": 8, "total": 28},
        "cost_usd": 0.02,
        "llm_calls": 4,
        "unpriced_calls": 2,
        **more,
    }
    assert times["response_time"]["samples"] == 3
    assert times["response_time"]["mean"] == 2.0
    for name in ("p50", "p95", "p99"):
        assert times["response_time"][name] == pytest.approx(2.0, rel=0.05)
    assert times["model_time"] == {"samples": 0}


def test_a_crew_without_ends_has_no_rates(system: System) -> None:
    answer = get(system, crew="editing").json
    rate = answer["metrics"][f"{system.system_id}_editing_error_rate"]
    assert (rate["state"], rate["samples"]) == ("insufficient_data", 0)
    assert "current" not in rate
    assert list(answer["crews"]) == ["editing"]


@pytest.mark.parametrize(("window", "samples"), [("5m", 1), ("1h", 2), ("24h", 3), ("15d", 4)])
def test_a_window_is_as_long_as_asked(
    services: Services, system: System, window: str, samples: int
) -> None:
    for minutes_ago in (0, 30, 600, 14 * 1440):
        end(services, system, DONE, minutes_ago)
    answer = get(system, window=window, crew="research").json
    assert answer["metrics"][f"{system.system_id}_research_error_rate"]["samples"] == samples
    assert answer["since"] < answer["until"]


@pytest.mark.parametrize("path", ["", "/history"])
@pytest.mark.parametrize(
    ("query", "faults"),
    [
        ({"crew": "reserch"}, {"crew": "unknown crew 'reserch'; the crews are: research, editing"}),
        (
            {"window": "15"},
            {"window": "must be minutes, hours or days, as 15m, 1h or 7d, from 1m to 15d"},
        ),
        (
            {"window": "15d"},
            {"window": "is over 10800m, the most for 2 crews in one answer: name a crew"},
        ),
    ],
)
def test_what_cannot_be_asked_for_is_named(
    system: System, path: str, query: Mapping[str, str], faults: Mapping[str, str]
) -> None:
    answer = get(system, path, **query)
    assert (answer.status, answer.faults) == (422, faults)


def test_a_step_that_makes_too_many_points_is_refused(system: System) -> None:
    answer = get(system, "/history", crew="research", window="15d", step="1m")
    rule = "makes over 500 points: 44m is the least for this window"
    assert (answer.status, answer.faults) == (422, {"step": rule})
    answer = get(system, "/history", window="5m", step="1h")
    assert answer.faults == {"step": "must not be longer than the window"}


def test_history_has_a_value_for_each_point(services: Services, system: System) -> None:
    for outcome, minutes_ago in ((DONE, 90), (FAILED, 90), (DONE, 0)):
        end(services, system, outcome, minutes_ago)
    answer = get(system, "/history", crew="research", window="3h", step="1h").json
    assert answer["step_minutes"] == 60
    assert len(answer["timestamps"]) == 4
    assert all(re.search(r"T\d\d:00:00.000Z$", at) for at in answer["timestamps"])
    series = {name.split("_", 2)[2]: values for name, values in answer["series"].items()}
    assert {len(values) for values in series.values()} == {4}
    assert sum(series["ended"]) == 3
    assert sum(series["tokens"]) == 28
    assert sorted(series["error_rate"], key=str) == [0.0, 0.5, None, None]
    assert [rate is None for rate in series["error_rate"]] == [n == 0 for n in series["ended"]]


def test_a_system_that_never_ran_has_no_metrics(services: Services) -> None:
    system_id = call("POST", "/crews", systems.system()).json["system_id"]
    assert call("GET", f"/crews/{system_id}/metrics").json["metrics"] == {}
    history = call("GET", f"/crews/{system_id}/metrics/history").json
    assert history["series"] == {}


def test_a_dropped_crew_can_be_asked_for_while_it_has_tasks(
    services: Services, system: System
) -> None:
    end(services, system, DONE)
    path = f"/crews/{system.system_id}"
    call("POST", f"{path}/tasks", {"description": "x", "crew_name": "research"})
    changed = systems.system(crews=[systems.crew("editing")])
    etag = call("GET", path).headers["ETag"]
    assert call("PUT", path, changed, headers={"if-match": etag}).status == 202
    systems.activate(services.systems, system.system_id)
    assert list(get(system).json["crews"]) == ["editing"]
    details = get(system, crew="research").json["crews"]["research"]
    assert details["outcomes"]["succeeded"] == 1
