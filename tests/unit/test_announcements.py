"""What is told of a task: once or more, in the same words, and to whom."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from quarterdeck.blobs import BlobStore
from quarterdeck.keys import OutboxKey, OutboxKind, parse_lease_owner, system_key
from quarterdeck.leases import list_due
from quarterdeck.systems.records import System
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import Update
from quarterdeck.tasks import announcer as announcer_module
from quarterdeck.tasks.admission import admit_tasks
from quarterdeck.tasks.announcements import LARGEST_RESULT, LONGEST_TEXT, Untold, tell_waiting
from quarterdeck.tasks.attempt import Attempt, claim
from quarterdeck.tasks.outcome import Outcome, TaskError
from quarterdeck.tasks.questions import Asked, Progress
from quarterdeck.tasks.queue import TaskMessage
from quarterdeck.tasks.submission import TaskRequest, accept_task
from tests import systems
from tests.fakes import FakeTable
from tests.monitor_site import Unread
from tests.postbox import Mailbox, Postbox, make_announcer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ASKED = Asked(
    kind="review",
    step="draft",
    agent="Writer",
    text="Is this good?" * 1000,
    answer_so_far="Salt.",
    place=("digest", 1),
)


class Site:
    """A task that runs, and who is told of it."""

    def __init__(self) -> None:
        self.now = NOON
        self.table, self.bus = FakeTable(), Postbox()
        self.blobs = BlobStore(cast("S3Client", None), "unused")
        self.announcer = make_announcer(self.table, self.blobs, self.clock, self.bus)
        store = SystemStore(self.table, self.blobs)
        self.system: System = systems.deploy(store, systems.system(), self.clock)
        self.attempt = self.start()

    def clock(self) -> datetime:
        return self.now

    def start(self) -> Attempt:
        queue, scope = Unread(), self.system.scope
        request = TaskRequest(description="x", crew_name="research")
        accept_task(self.table, self.blobs, self.system, request, self.now)
        admit_tasks(self.table, queue, scope, "research", self.clock)
        message = queue.messages.pop()
        assert isinstance(message, TaskMessage)
        attempt = claim(self.table, self.blobs, queue, message, self.clock)
        assert attempt
        return attempt

    def end(self, outcome: Outcome) -> Untold:
        assert self.attempt.end(outcome, 1500)
        assert self.attempt.untold
        return self.attempt.untold

    def ask(self) -> OutboxKey:
        assert self.attempt.wait(1500, ASKED, Progress())
        assert self.attempt.untold
        return self.attempt.untold.key

    def sweep(self, seconds: float = 61) -> dict[str, int]:
        """What the monitor does so much later."""
        self.now += timedelta(seconds=seconds)
        return self.announcer.tell_due(list_due(self.table, self.now), lambda: 1)

    def untold(self) -> list[str]:
        return [item["sk"] for item in self.table.dump() if item["sk"].startswith("OUTBOX#")]


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def mails(site: Site) -> Mailbox:
    assert isinstance(site.announcer.topic, Mailbox)
    return site.announcer.topic


def fail() -> None:
    raise ConnectionError("the bus is down")


def test_an_end_is_told_at_once_with_all_that_a_caller_would_poll_for(site: Site) -> None:
    data = {"title": None, "pages": 3}
    site.announcer.tell(site.end(Outcome(status="succeeded", output="Salt.", data=data)))
    [(detail_type, detail)] = site.bus.events
    task_id, system_id = site.attempt.state.task_id, site.system.system_id
    assert detail_type == "Task Ended"
    assert detail == {
        "id": f"{task_id}-1-ended",
        "environment": "test",
        "system_id": system_id,
        "system": site.system.name,
        "crew": "research",
        "task_id": task_id,
        "status": "succeeded",
        "priority": "medium",
        "version": 1,
        "created_at": "2026-11-23T12:00:00.000Z",
        "ended_at": "2026-11-23T12:00:00.000Z",
        "duration_ms": 1500,
        "usage": {
            **{"prompt_tokens": 0, "completion_tokens": 0, "requests": 0},
            **{"cost_usd": 0.0, "unpriced": 0},
        },
        "rehearsal": False,
        "result": {"output": "Salt.", "data": data},
        "result_omitted": False,
        "link": f"/crews/{system_id}/tasks/{task_id}",
    }
    assert site.untold() == []
    assert site.sweep() == {"announced": 0, "not_announced": 0}


def test_the_worker_pays_a_request_more_besides_the_telling(site: Site) -> None:
    site.announcer.tell(site.end(Outcome(status="succeeded")))
    site.attempt = site.start()
    untold = site.end(Outcome(status="succeeded"))
    asked: list[str] = []
    site.table.calls.before_read = lambda operation, _: asked.append(operation)
    site.table.calls.before_write = lambda: asked.append("write")
    site.announcer.tell(untold)
    assert asked == ["write"]


def test_what_its_ender_did_not_tell_the_monitor_tells_in_the_same_words(site: Site) -> None:
    untold = site.end(Outcome(status="failed", error=TaskError(type="E", message="m" * 9000)))
    assert site.sweep(59) == {"announced": 0, "not_announced": 0}
    assert site.sweep(2) == {"announced": 1, "not_announced": 0}
    site.announcer.tell(untold)
    first, second = site.bus.details
    assert first == second
    assert len(first["error"]["message"]) == LONGEST_TEXT
    assert site.untold() == []


@pytest.mark.parametrize(("length", "omitted"), [(LARGEST_RESULT - 100, False), (10**5, True)])
def test_a_large_result_is_left_where_it_is(site: Site, length: int, omitted: bool) -> None:
    site.blobs.store_document = lambda key, text: {"text": text}  # type: ignore[method-assign]
    site.announcer.tell(site.end(Outcome(status="succeeded", output="x" * length)))
    [detail] = site.bus.details
    assert (detail["result_omitted"], "result" in detail) == (omitted, not omitted)
    assert len(json.dumps(detail)) < 100_000


def test_a_question_goes_to_the_bus_and_to_people(site: Site, mails: Mailbox) -> None:
    site.announcer.tell(Untold(site.ask()))
    [(detail_type, detail)], [mail] = site.bus.events, mails.mails
    assert (detail_type, detail["status"]) == ("Task Waiting", "waiting")
    assert detail["id"].endswith("-1-waiting")
    asked = detail["question"]
    assert len(asked.pop("text")) == LONGEST_TEXT
    assert asked == {
        **{"number": 1, "kind": "review", "step": "draft", "agent": "Writer"},
        **{"answer_so_far": "Salt.", "asked_at": "2026-11-23T12:00:00.000Z"},
        "expires_at": "2026-12-23T12:00:00.000Z",
    }
    assert mail.detail["id"] == detail["id"]
    assert mail.subject == f"[test] waiting: {site.system.name} research: review"
    assert mail.filters == {"system_id": site.system.system_id, "crew": "research"}
    assert site.untold() == []


def test_a_topic_that_refuses_keeps_no_question_from_the_bus(
    site: Site, mails: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mails, "publish", lambda *_: fail())
    site.announcer.tell(Untold(site.ask()))
    assert [detail["status"] for detail in site.bus.details] == ["waiting"]
    assert len(site.untold()) == 1
    monkeypatch.undo()
    assert site.sweep() == {"announced": 1, "not_announced": 0}
    assert (len(mails.mails), site.untold()) == (1, [])


def test_people_are_mailed_once_however_often_the_bus_refuses(site: Site, mails: Mailbox) -> None:
    site.bus.before = fail
    site.announcer.tell(Untold(site.ask()))
    for _ in range(3):
        assert site.sweep(3600) == {"announced": 0, "not_announced": 1}
    assert len(mails.mails) == 1
    site.bus.before = lambda: None
    assert site.sweep(3600) == {"announced": 1, "not_announced": 0}
    assert (len(mails.mails), len(site.bus.events), site.untold()) == (1, 1, [])


def test_a_question_that_is_answered_is_nobodys_news(site: Site, mails: Mailbox) -> None:
    key = site.ask()
    site.table.write(Update(key.scope.state_key(key.task_id), {"status": "queued"}, {}))
    assert site.sweep() == {"announced": 0, "not_announced": 0}
    assert (site.bus.events, mails.mails, site.untold()) == ([], [], [])


def test_a_task_that_is_gone_is_nobodys_news(site: Site) -> None:
    key = site.end(Outcome(status="succeeded")).key
    site.table.dynamodb.items[key.key.pk] = {
        sk: item
        for sk, item in site.table.dynamodb.items[key.key.pk].items()
        if sk.startswith("OUTBOX#")
    }
    assert site.sweep() == {"announced": 0, "not_announced": 0}
    assert (site.bus.events, site.untold()) == ([], [])


def test_a_deleted_system_has_its_name_still(site: Site) -> None:
    site.end(Outcome(status="cancelled"))
    site.table.write(Update(system_key(site.system.system_id), {"state": "deleted"}, {}))
    assert site.sweep()["announced"] == 1
    assert site.bus.details[0]["system"] == site.system.name


def test_what_the_bus_refuses_is_tried_for_a_day_ever_more_seldom_and_then_counted(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    monkeypatch.setattr(announcer_module, "count_event", counted.append)
    site.bus.before = fail
    site.announcer.tell(site.end(Outcome(status="succeeded")))
    tries = 0
    for _ in range(25 * 60):
        tries += site.sweep(60)["not_announced"]
    assert (site.untold(), counted) == ([], ["LostAnnouncement"])
    assert 90 < tries < 110


def test_a_bus_that_is_back_gets_what_is_left(site: Site) -> None:
    site.bus.before = fail
    site.announcer.tell(site.end(Outcome(status="succeeded")))
    assert site.sweep() == {"announced": 0, "not_announced": 1}
    site.bus.before = lambda: None
    assert site.sweep(3600) == {"announced": 1, "not_announced": 0}
    assert len(site.bus.events) == 1


def test_out_of_time_the_monitor_leaves_the_rest_to_the_next_minute(site: Site) -> None:
    site.end(Outcome(status="succeeded"))
    site.now += timedelta(seconds=61)
    due = list_due(site.table, site.now)
    assert site.announcer.tell_due(due, lambda: 0) == {"announced": 0, "not_announced": 0}
    assert len(site.untold()) == 1


def test_many_that_cannot_be_told_keep_no_lease_from_being_found(site: Site) -> None:
    site.end(Outcome(status="succeeded"))
    lost = site.start()
    for number in range(500):
        scope = site.system.scope
        state = site.attempt.state.model_copy(update={"task_id": f"t{number}"})
        site.table.write(tell_waiting(scope, state, 1, NOON))
    site.now += timedelta(hours=1)
    due = list_due(site.table, site.now)
    assert (site.system.scope, lost.state.task_id) in due


@pytest.mark.parametrize("kind", ["ended", "waiting"])
def test_a_key_is_read_as_it_is_spelled(site: Site, kind: OutboxKind) -> None:
    key = OutboxKey(site.system.scope, "t", 3, kind)
    assert parse_lease_owner(*key.key) == key
