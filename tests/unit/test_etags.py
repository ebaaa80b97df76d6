"""`ETag` and `If-None-Match` of a task: what is known is not sent again."""

import pytest

import api
from quarterdeck.http.etags import list_etags
from quarterdeck.http.services import Services
from quarterdeck.names import read_clock
from quarterdeck.systems.records import System
from quarterdeck.tasks.event_log import append_event
from quarterdeck.tasks.events import StepStarted
from tests import systems
from tests.api_calls import CONTEXT, Answer, call
from tests.events import http_event


@pytest.fixture
def system(services: Services) -> System:
    return systems.deploy(services.systems, systems.system())


@pytest.fixture
def path(system: System) -> str:
    """Of a task that is queued behind another."""
    tasks = f"/crews/{system.system_id}/tasks"
    body = {"description": "x", "crew_name": "research"}
    _, task = (call("POST", tasks, body).json["task_id"] for _ in range(2))
    return f"{tasks}/{task}"


def ask(path: str, known: str) -> Answer:
    return call("GET", path, headers={"if-none-match": known})


def test_what_is_known_is_not_sent_again(path: str) -> None:
    first = call("GET", path)
    etag = first.headers["ETag"]
    assert etag.startswith('"')
    event = http_event("GET", path, headers={"if-none-match": etag})
    response = api.lambda_handler(event, CONTEXT)
    assert (response["statusCode"], response.get("body") or "") == (304, "")
    assert response["headers"]["ETag"] == etag
    assert "Content-Type" not in response["headers"]
    for known in (f"W/{etag}", f'"x", {etag}', f'"x",W/{etag}', "*"):
        assert ask(path, known).status == 304
    for known in ('"x"', "", etag.strip('"'), etag + "x"):
        answer = ask(path, known)
        assert (answer.status, answer.json) == (200, first.json)


def test_what_has_changed_is_sent(services: Services, system: System, path: str) -> None:
    seen = {call("GET", path).headers["ETag"]}
    assert call("POST", f"{path}/cancel").status == 200
    answer = ask(path, seen.pop())
    assert (answer.status, answer.json["status"]) == (200, "cancelled")
    again = ask(path, answer.headers["ETag"])
    assert again.status == 304


def test_an_event_is_a_change(services: Services, system: System, path: str) -> None:
    before = call("GET", path).headers["ETag"]
    event = StepStarted(step="one", agent="Researcher")
    append_event(services.table, system.scope, path.rpartition("/")[2], event, read_clock())
    after = ask(path, before)
    assert (after.status, after.json["steps"][0]["name"]) == (200, "one")


def test_a_task_that_is_not_there_is_not_known(path: str) -> None:
    assert ask(f"{path}0", "*").status == 404


def test_tags_of_a_header() -> None:
    assert list_etags('"a", W/"b" ,"c"') == {'"a"', '"b"', '"c"'}
