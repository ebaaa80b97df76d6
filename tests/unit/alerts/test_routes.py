"""Alerts over the API: what is shown of them, and what an operator says of one."""

from typing import Any

import pytest

from quarterdeck.alerts.conditions import note_condition
from quarterdeck.alerts.names import AlertName
from quarterdeck.alerts.states import Finding, note
from quarterdeck.http.services import Services
from quarterdeck.identity.principal import Principal
from quarterdeck.metrics.figures import MetricState
from quarterdeck.names import parse_time, read_clock
from quarterdeck.systems.records import System
from quarterdeck.systems.thresholds import DEFAULTS
from tests import systems
from tests.api_calls import Answer, call, read_items

ERRORS = "research.error_rate"
OPERATOR = Principal(key_id="0123", name="on-call", scopes=("operate",))


@pytest.fixture
def system(services: Services) -> System:
    system_id: str = call("POST", "/crews", systems.system()).json["system_id"]
    return systems.activate(services.systems, system_id)


def turn(services: Services, system: System, state: MetricState) -> None:
    """The error rate's alert into the state, as an evaluation does."""
    finding = Finding(state, 0.25, 40, DEFAULTS["error_rate"])
    name = AlertName("research", "error_rate")
    services.alerts.modify(system.scope, name, lambda alert: note(alert, finding, read_clock()))


def read(system: System, **query: str) -> Any:
    return call("GET", f"/crews/{system.system_id}/alerts", query=query).json


def post(system: System, action: str, body: Any = None, alert: str = ERRORS) -> Answer:
    path = f"/crews/{system.system_id}/alerts/{alert}/{action}"
    return call("POST", path, body, principal=OPERATOR)


def test_a_new_system_has_an_alert_for_each_metric_with_thresholds(
    services: Services, system: System
) -> None:
    answer = read(system)
    assert answer["history"] == []
    assert {alert["alert_id"]: alert["state"] for alert in answer["alerts"]} == {
        f"research.{metric}": "insufficient_data" for metric in DEFAULTS
    }


def test_an_alert_shows_what_raised_it_and_its_history(services: Services, system: System) -> None:
    turn(services, system, "warning")
    turn(services, system, "ok")
    answer = read(system)
    [alert] = [alert for alert in answer["alerts"] if alert["alert_id"] == ERRORS]
    assert alert == {
        "alert_id": ERRORS,
        "crew": "research",
        "metric": "error_rate",
        "state": "ok",
        "since": answer["history"][0]["at"],
        "previous": "warning",
        "value": 0.25,
        "samples": 40,
        "thresholds": {"warning": 0.05, "critical": 0.1},
    }
    assert [(entry["previous"], entry["state"]) for entry in answer["history"]] == [
        ("warning", "ok"),
        ("insufficient_data", "warning"),
    ]


def test_history_goes_on_by_cursor(services: Services, system: System) -> None:
    for _ in range(3):
        turn(services, system, "critical")
        turn(services, system, "ok")
    seen: list[str] = []
    page = read(system, limit="4")
    seen += [entry["entry_id"] for entry in page["history"]]
    page = read(system, limit="4", cursor=page["next_cursor"])
    seen += [entry["entry_id"] for entry in page["history"]]
    assert (len(seen), len(set(seen)), "next_cursor" in page) == (6, 6, False)


def test_alerts_of_crews_that_are_no_more_are_not_shown(services: Services, system: System) -> None:
    changed = systems.system(crews=[systems.crew("writing")])
    etag = call("GET", f"/crews/{system.system_id}").headers["ETag"]
    path = f"/crews/{system.system_id}"
    assert call("PUT", path, changed, headers={"if-match": etag}).status == 202
    systems.activate(services.systems, system.system_id)
    assert {alert["crew"] for alert in read(system)["alerts"]} == {"writing"}


def test_an_alert_of_the_whole_system_has_no_crew(services: Services, system: System) -> None:
    note_condition(
        services.alerts, system.scope, "health", "critical", read_clock(), detail="no 'openai'"
    )
    [alert] = [alert for alert in read(system)["alerts"] if alert["alert_id"] == "health"]
    assert (alert["state"], alert["detail"], alert.get("crew")) == ("critical", "no 'openai'", None)
    assert post(system, "ack", alert="health").status == 200


def test_an_acknowledgement_is_kept_with_who_and_when(services: Services, system: System) -> None:
    turn(services, system, "critical")
    answer = post(system, "ack")
    assert (answer.status, answer.json["acknowledged"]["by"]) == (200, "0123")
    first = answer.json["acknowledged"]
    assert call("POST", f"/crews/{system.system_id}/alerts/{ERRORS}/ack").json["acknowledged"] == (
        first
    )
    entry = read(system)["history"][0]
    assert (entry["event"], entry["by"], entry["at"]) == ("acknowledged", "0123", first["at"])
    turn(services, system, "warning")
    shown = [alert for alert in read(system)["alerts"] if alert["alert_id"] == ERRORS]
    assert "acknowledged" not in shown[0]


def test_what_is_not_raised_is_not_acknowledged(services: Services, system: System) -> None:
    before = read_items()
    answer = post(system, "ack")
    assert answer.status == 409
    assert answer.json["detail"] == "the alert is not raised: its state is insufficient_data"
    assert read_items() == before


def test_a_silence_says_who_and_until_when(services: Services, system: System) -> None:
    answer = post(system, "silence", {"minutes": 60})
    silence = answer.json["silence"]
    assert (answer.status, silence["by"]) == (200, "0123")
    assert (parse_time(silence["until"]) - parse_time(silence["at"])).seconds == 3600
    entry = read(system)["history"][0]
    assert (entry["event"], entry["by"], entry["until"]) == ("silenced", "0123", silence["until"])
    ended = post(system, "silence", {"minutes": 0}).json["silence"]
    assert ended["until"] == ended["at"]


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ({}, "minutes", "is missing"),
        ({"minutes": -1}, "minutes", "Input should be greater than or equal to 0"),
        ({"minutes": 10081}, "minutes", "Input should be less than or equal to 10080"),
        ({"minutes": "60"}, "minutes", "Input should be a valid integer"),
        ({"minutes": 1.5}, "minutes", "Input should be a valid integer"),
        ({"minutes": 5, "until": "x"}, "until", "is not a field of this object"),
    ],
)
def test_a_faulty_silence_is_refused(
    services: Services, system: System, body: Any, field: str, rule: str
) -> None:
    answer = post(system, "silence", body)
    assert (answer.status, answer.faults) == (422, {field: rule})


@pytest.mark.parametrize(
    "alert_id",
    ["writing.error_rate", "research.colour", "health", "research", "Research.x", "a.b.c"],
)
def test_an_alert_that_is_not_there_is_404(
    services: Services, system: System, alert_id: str
) -> None:
    for action, body in (("ack", None), ("silence", {"minutes": 5})):
        answer = post(system, action, body, alert=alert_id)
        assert answer.status == 404
        assert answer.faults == {"alert_id": f"there is no alert '{alert_id}'"}
