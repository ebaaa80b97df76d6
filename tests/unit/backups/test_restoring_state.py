"""A system that is being restored: nothing is taken, begun or changed, and all can be read."""

from datetime import timedelta
from typing import Any

import pytest

from quarterdeck.http.services import Services
from quarterdeck.keys import system_key
from quarterdeck.leases import list_due
from quarterdeck.names import read_clock
from quarterdeck.systems.records import System
from quarterdeck.table import Update
from quarterdeck.tasks.admission import admit_tasks
from quarterdeck.tasks.attempt import claim
from quarterdeck.tasks.queue import TaskMessage
from quarterdeck.tasks.submission import TaskRequest, accept_task
from quarterdeck.tasks.upkeep import Upkeep
from tests import systems
from tests.api_calls import Answer, call, read_items
from tests.monitor_site import Site, Unread

REQUEST = {"description": "x", "crew_name": "research"}


@pytest.fixture
def system(services: Services) -> System:
    """Being restored, with a task that was queued before."""
    system = systems.deploy(services.systems, systems.system())
    request = TaskRequest.model_validate(REQUEST)
    accept_task(services.table, services.blobs, system, request, read_clock())
    set_state(services, system, "restoring")
    return system


def set_state(services: Services, system: System, state: str) -> None:
    services.table.write(Update(system_key(system.system_id), {"state": state}, {}))


def find_task(system: System) -> str:
    tasks = call("GET", f"/crews/{system.system_id}/tasks").json["tasks"]
    return str(tasks[0]["task_id"])


def ask(system: System, method: str, path: str, body: Any = None, **rest: Any) -> Answer:
    path = path.replace("TASK", find_task(system))
    return call(method, f"/crews/{system.system_id}{path}", body, **rest)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tasks", REQUEST),
        ("/tasks/TASK/cancel", None),
        ("/alerts/research.error_rate/ack", None),
        ("/alerts/research.error_rate/silence", {"minutes": 5}),
    ],
)
def test_what_the_restore_would_leave_behind_is_to_be_tried_later(
    services: Services, system: System, path: str, body: Any
) -> None:
    before = read_items()
    answer = ask(system, "POST", path, body)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
    assert answer.json["type"] == "urn:quarterdeck:problem:restoring"
    assert answer.json["detail"] == "system 'desk' is being restored: try again later"
    assert read_items() == before


def test_a_retry_is_to_be_tried_later(services: Services, system: System) -> None:
    task_id = find_task(system)
    set_state(services, system, "active")
    assert ask(system, "POST", "/tasks/TASK/cancel").status == 200
    set_state(services, system, "restoring")
    before = read_items()
    assert ask(system, "POST", f"/tasks/{task_id}/retry").status == 503
    assert read_items() == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "", systems.system()),
        ("DELETE", "", None),
        ("DELETE", "?force=true", None),
        ("POST", "/rollback", None),
        ("POST", "/pause", None),
        ("POST", "/unpause", None),
        ("POST", "/scale", {"crew_name": "research", "capacity": 2}),
    ],
)
def test_what_needs_the_system_as_it_is_is_refused(
    services: Services, system: System, method: str, path: str, body: Any
) -> None:
    before = read_items()
    path, _, force = path.partition("?force=")
    query = {"force": force} if force else None
    answer = ask(system, method, path, body, headers={"if-match": '"1"'}, query=query)
    assert (answer.status, "restoring" in answer.json["detail"]) == (409, True)
    assert read_items() == before


@pytest.mark.parametrize(
    "path", ["", "/deployments", "/tasks", "/tasks/TASK", "/metrics", "/alerts", "/scale"]
)
def test_it_can_be_read(services: Services, system: System, path: str) -> None:
    assert ask(system, "GET", path).status == 200


def test_no_message_is_claimed_until_it_is_open_again(services: Services, system: System) -> None:
    set_state(services, system, "active")
    (task_id,) = admit_tasks(
        services.table, services.task_queue, system.scope, "research", read_clock
    )
    message = TaskMessage(**system.scope._asdict(), task_id=task_id, epoch=0)

    def claim_it() -> object:
        return claim(services.table, services.blobs, services.task_queue, message, read_clock)

    set_state(services, system, "restoring")
    assert claim_it() is None
    set_state(services, system, "active")
    assert claim_it()


@pytest.mark.parametrize("work", ["a queued task", "a message nobody took", "a lost worker"])
def test_the_monitor_leaves_its_tasks_alone(services: Services, system: System, work: str) -> None:
    queue = Unread()
    later = timedelta(0 if work == "a queued task" else 11 * 60)
    upkeep = Upkeep(services.table, services.blobs, queue, lambda: read_clock() + later)
    if work != "a queued task":
        assert admit_tasks(services.table, queue, system.scope, "research", read_clock)
        if work == "a lost worker":
            set_state(services, system, "active")
            claim_task(services, queue)
            set_state(services, system, "restoring")
    queue.messages.clear()
    before = [item for item in read_items() if "#" in item["pk"]["S"] and "@" in item["pk"]["S"]]

    def act() -> int:
        return (
            sum(upkeep.settle_due(list_due(services.table, read_clock() + later)).values())
            + upkeep.admit_everywhere()
        )

    assert act() == 0
    assert not queue.messages
    now = [item for item in read_items() if "#" in item["pk"]["S"] and "@" in item["pk"]["S"]]
    assert now == before
    set_state(services, system, "active")
    assert act() == 1


def claim_task(services: Services, queue: Unread) -> None:
    (message,) = queue.messages
    assert isinstance(message, TaskMessage)
    assert claim(services.table, services.blobs, queue, message, read_clock)


def test_the_monitor_neither_scales_it_nor_judges_its_metrics() -> None:
    now = read_clock()
    site = Site(now)
    system = site.deploy()
    site.work(system, arrivals=500)
    site.table.write(Update(system_key(system.system_id), {"state": "restoring"}, {}))
    before = site.table.dump()
    assert site.look() == {"systems": 1, "scaled": 0, "alerts_told": 0, "failed": 0}
    assert [i for i in site.table.dump() if i["pk"] != "MONITOR"] == [
        i for i in before if i["pk"] != "MONITOR"
    ]
    assert site.emitted == []
    site.table.write(Update(system_key(system.system_id), {"state": "active"}, {}))
    site.work(system, arrivals=500)
    for _ in range(7):
        site.look()
    assert site.emitted
