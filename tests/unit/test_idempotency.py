"""`Idempotency-Key`: what a route makes is made once, and told again for a day."""

from typing import Any

import pytest

from quarterdeck.http.services import Services
from quarterdeck.idempotency import KEPT
from quarterdeck.identity.principal import Principal
from quarterdeck.names import read_clock
from quarterdeck.systems.records import System
from tests import systems
from tests.api_calls import Answer, call, read_items

TASK = {"description": "x", "crew_name": "research"}


@pytest.fixture
def system(services: Services) -> System:
    return systems.deploy(services.systems, systems.system())


def post(path: str, body: Any, key: str | None = "key-1", **rest: Any) -> Answer:
    headers = {} if key is None else {"idempotency-key": key}
    return call("POST", path, body, headers=headers, **rest)


def submit(system: System, key: str | None = "key-1", **change: Any) -> Answer:
    return post(f"/crews/{system.system_id}/tasks", TASK | change, key)


def count_tasks(system: System) -> int:
    return len(call("GET", f"/crews/{system.system_id}/tasks").json["tasks"])


def test_a_task_is_submitted_once(system: System) -> None:
    first, again = submit(system), submit(system)
    assert (first.status, again.status) == (202, 202)
    assert first.json["task_id"] == again.json["task_id"]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert count_tasks(system) == 1


def test_another_key_another_task_and_none_never_the_same(system: System) -> None:
    made = [submit(system, key).json["task_id"] for key in ("a", "b", None, None)]
    assert len(set(made)) == 4


def test_another_request_with_the_key_is_refused(system: System) -> None:
    submit(system)
    answer = submit(system, description="y")
    assert answer.status == 422
    assert answer.faults == {
        "Idempotency-Key": "was used for another request: each is to have a key of its own"
    }
    assert count_tasks(system) == 1


def test_a_refused_request_leaves_its_key_free(system: System) -> None:
    assert submit(system, crew_name="nobody").status == 422
    assert submit(system).status == 202


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_of_the_wrong_length_is_refused(system: System, key: str) -> None:
    headers = {"idempotency-key": key}
    answer = call("POST", f"/crews/{system.system_id}/tasks", TASK, headers=headers)
    assert answer.status == 422
    assert count_tasks(system) == 0


def test_a_key_is_its_routes_and_its_owners(services: Services, system: System) -> None:
    other = systems.deploy(services.systems, systems.system("other"))
    made = {submit(each).json["task_id"] for each in (system, other)}
    someone = Principal(key_id="k2", name="someone", scopes=("run",))
    path = f"/crews/{system.system_id}/tasks"
    headers = {"idempotency-key": "key-1"}
    made.add(call("POST", path, TASK, headers=headers, principal=someone).json["task_id"])
    assert len(made) == 3


def test_after_a_day_a_key_is_free_again(
    services: Services, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the table deletes what has expired only later."""
    first = submit(system).json["task_id"]
    tomorrow = read_clock() + KEPT
    for module in ("once", "tasks"):
        monkeypatch.setattr(f"quarterdeck.http.{module}.read_clock", lambda: tomorrow)
    second = submit(system).json["task_id"]
    assert second != first
    assert submit(system).json["task_id"] == second


def test_a_system_is_deployed_once(services: Services) -> None:
    first, again = (post("/crews", systems.system("once")) for _ in range(2))
    assert (first.status, again.status) == (202, 202)
    assert first.json["system_id"] == again.json["system_id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert post("/crews", systems.system("once"), "key-2").status == 409


def test_a_rollback_and_a_retry_are_done_once(services: Services, system: System) -> None:
    path = f"/crews/{system.system_id}"
    configuration = systems.system()
    call("PUT", path, configuration, headers={"if-match": "*"})
    systems.activate(services.systems, system.system_id)
    numbers = [post(f"{path}/rollback", None).json["deployment"]["number"] for _ in range(2)]
    assert numbers == [3, 3]
    task = submit(system).json["task_id"]
    call("POST", f"{path}/tasks/{task}/cancel")
    retries = [post(f"{path}/tasks/{task}/retry", None).json["task_id"] for _ in range(2)]
    assert retries[0] == retries[1] != task


def test_a_capacity_is_changed_once(system: System) -> None:
    path = f"/crews/{system.system_id}/scale"
    body = {"crew_name": "research", "action": "scale_up", "factor": 1}
    first, again = post(path, body), post(path, body)
    assert first.json == again.json
    assert first.json["capacity"] == first.json["previous_capacity"] + 1
    assert call("GET", path).json["crews"][0]["capacity"] == first.json["capacity"]


def test_nothing_of_the_request_is_kept_under_its_key(system: System) -> None:
    submit(system, description="Quite confidential")
    (kept,) = (item for item in read_items() if item["sk"] == {"S": "IDEM"})
    assert "confidential" not in str(kept)
    assert "key-1" not in str(kept)
