"""A system that is being restored: nothing is taken, begun or changed, and all can be read."""

from typing import Any

import pytest

from quarterdeck.http.services import Services
from quarterdeck.keys import system_key
from quarterdeck.leases import list_due
from quarterdeck.names import read_clock
from quarterdeck.systems.records import System
from quarterdeck.table import Update
from quarterdeck.tasks.admission import admit_tasks
from quarterdeck.tasks.attempt import Attempt, claim
from quarterdeck.tasks.questions import Asked, Progress
from quarterdeck.tasks.queue import TaskMessage
from quarterdeck.tasks.submission import TaskRequest, accept_task
from quarterdeck.tasks.upkeep import Upkeep
from tests import systems
from tests.api_calls import Answer, call, read_items
from tests.monitor_site import Site, Unread
from tests.postbox import make_announcer
from tests.restore_site import RestoreSite

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


def test_what_the_restore_would_leave_behind_is_to_be_tried_later(
    services: Services, system: System
) -> None:
    before = read_items()
    for path, body in (
        ("/tasks", REQUEST),
        ("/tasks/TASK/cancel", None),
        ("/alerts/research.error_rate/ack", None),
        ("/alerts/research.error_rate/silence", {"minutes": 5}),
    ):
        answer = ask(system, "POST", path, body)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
        assert answer.json["type"] == "urn:quarterdeck:problem:restoring"
        assert answer.json["detail"] == "system 'desk' is being restored: try again later"
    path = f"/crews/{system.system_id}/memories"
    assert call("DELETE", path, query={"crew": "research"}).status == 503
    assert read_items() == before


def test_a_retry_is_to_be_tried_later(services: Services, system: System) -> None:
    task_id = find_task(system)
    set_state(services, system, "active")
    assert ask(system, "POST", "/tasks/TASK/cancel").status == 200
    set_state(services, system, "restoring")
    before = read_items()
    assert ask(system, "POST", f"/tasks/{task_id}/retry").status == 503
    assert read_items() == before


def test_what_needs_the_system_as_it_is_is_refused_and_it_can_be_read(system: System) -> None:
    before = read_items()
    for method, path, body, query in (
        ("PUT", "", systems.system(), None),
        ("DELETE", "", None, None),
        ("DELETE", "", None, {"force": "true"}),
        ("POST", "/rollback", None, None),
        ("POST", "/pause", None, None),
        ("POST", "/unpause", None, None),
        ("POST", "/scale", {"crew_name": "research", "capacity": 2}, None),
        ("POST", "/backup", None, None),
    ):
        answer = ask(system, method, path, body, headers={"if-match": '"1"'}, query=query)
        assert (answer.status, "restoring" in answer.json["detail"]) == (409, True), path
    for path in ("", "/deployments", "/tasks", "/tasks/TASK", "/metrics", "/alerts", "/scale"):
        assert ask(system, "GET", path).status == 200, path
    assert read_items() == before


class Closed:
    """A system in memory that can be closed and opened, with a task that waits."""

    def __init__(self) -> None:
        self.site, self.queue = RestoreSite(), Unread()
        self.system = self.site.deploy()
        self.task = self.site.submit(self.system)

    def set_state(self, state: str) -> None:
        self.site.table.write(Update(system_key(self.system.system_id), {"state": state}, {}))

    def admit(self) -> TaskMessage:
        scope, site = self.system.scope, self.site
        assert admit_tasks(site.table, self.queue, scope, "research", site.clock) == [self.task]
        message = self.queue.messages.pop()
        assert isinstance(message, TaskMessage)
        return message

    def claim(self, message: TaskMessage) -> Attempt | None:
        site = self.site
        return claim(site.table, site.blobs, self.queue, message, site.clock)

    def ask(self, message: TaskMessage) -> None:
        """The task's worker has come to a question, open for a minute."""
        attempt = self.claim(message)
        assert attempt
        place = ("d" * 64, 0)
        asked = Asked(kind="review", step="s", agent="A", text="Good?", place=place, seconds=60)
        assert attempt.wait(5, asked, Progress())

    def tend(self) -> int:
        """What the monitor does for tasks."""
        site = self.site
        upkeep = Upkeep(
            site.table,
            site.blobs,
            self.queue,
            make_announcer(site.table, site.blobs, site.clock),
            site.clock,
        )
        settled = sum(upkeep.settle_due(list_due(site.table, site.now)).values())
        return settled + upkeep.admit_everywhere()


def test_no_message_is_claimed_until_it_is_open_again() -> None:
    closed = Closed()
    message = closed.admit()
    closed.set_state("restoring")
    assert closed.claim(message) is None
    closed.set_state("active")
    assert closed.claim(message)


@pytest.mark.parametrize(
    "work", ["a queued task", "a message nobody took", "a lost worker", "an expired question"]
)
def test_the_monitor_leaves_its_tasks_alone(work: str) -> None:
    closed = Closed()
    if work != "a queued task":
        message = closed.admit()
        if work == "a lost worker":
            assert closed.claim(message)
        if work == "an expired question":
            closed.ask(message)
        closed.site.later(minutes=11)
    closed.set_state("restoring")
    before = closed.site.dump_generation(closed.system.system_id, 1)
    assert closed.tend() == 0
    assert not closed.queue.messages
    assert closed.site.dump_generation(closed.system.system_id, 1) == before
    closed.set_state("active")
    assert closed.tend() == 1


def test_the_monitor_neither_scales_it_nor_judges_its_metrics() -> None:
    now = read_clock()
    site = Site(now)
    system = site.deploy()
    site.work(system, arrivals=500)
    site.table.write(Update(system_key(system.system_id), {"state": "restoring"}, {}))
    before = site.table.dump()
    looked = site.look()
    assert (looked["systems"], looked["scaled"], looked["failed"]) == (1, 0, 0)
    assert [i for i in site.table.dump() if i["pk"] != "MONITOR"] == [
        i for i in before if i["pk"] != "MONITOR"
    ]
    assert site.emitted == []
    site.table.write(Update(system_key(system.system_id), {"state": "active"}, {}))
    site.work(system, arrivals=500)
    for _ in range(7):
        site.look()
    assert site.emitted


def test_a_task_that_waited_is_interrupted_and_keeps_its_question() -> None:
    closed = Closed()
    closed.ask(closed.admit())
    site, system_id = closed.site, closed.system.system_id
    backup = site.back_up(closed.system)
    assert site.prove(closed.system, backup).outcome == "proven"
    assert site.restore(closed.system, backup).outcome == "restored"
    kept = site.dump_generation(system_id, site.systems.get(system_id).generation)
    state = kept[f"TASK#{closed.task}", "STATE"]
    assert (state["status"], state["question"]) == ("interrupted", 1)
    assert not {"waiting_since", "lease_expires_at"} & state.keys()
    assert "Good?" in kept[f"TASK#{closed.task}", "QUESTION#000001"]["document"]
    assert kept["CREW#research", "CREW"].get("waiting", 0) == 0
    site.later(minutes=11)
    assert closed.tend() == 0
