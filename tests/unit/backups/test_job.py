"""A job is one invocation's at a time, goes on where the last has come, and fails at last."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from quarterdeck.backups.job import Hold, claim_job, make_job_item, resend_job, run_job
from quarterdeck.backups.records import Job, Verification
from quarterdeck.keys import LEASES, lease_shard, parse_lease_owner
from quarterdeck.names import format_time
from quarterdeck.systems.deployments import Superseded
from quarterdeck.table import Absent, Item, Put
from quarterdeck.tasks.queue import BackupMessage, JobMessage, Queue
from tests.fakes import FakeTable

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
INVOCATION = 900.0


class Sent(Queue[BackupMessage]):
    def __init__(self) -> None:
        self.messages: list[tuple[BackupMessage, int]] = []

    def send(self, message: BackupMessage, delay_s: int = 0) -> None:
        self.messages.append((message, delay_s))


class Counting:
    """Three steps of work; `play` may do something before each."""

    def __init__(self, play: Callable[[int], None] = lambda step: None, steps: int = 3) -> None:
        self.play = play
        self.steps = steps

    def carry_on(self, hold: Hold[Verification], left: Callable[[], float]) -> bool:
        while hold.job.chunks < self.steps:
            if left() < 60:
                return False
            self.play(hold.job.chunks)
            hold.advance({"chunks": hold.job.chunks + 1})
        hold.end("completed", {})
        return True

    def give_up(self, hold: Hold[Verification], reasons: Sequence[str]) -> None:
        hold.end("failed", {}, reasons=reasons)


class Site:
    def __init__(self) -> None:
        self.now = NOON
        self.table = FakeTable()
        self.queue = Sent()
        self.job = Verification(
            system_id="s1", job_id="j1", backup_id="b1", started_at=format_time(NOON)
        )
        self.table.write(Put(self.job.key, make_job_item(self.job, NOON), [Absent()]))

    def claim(self) -> Hold[Verification] | None:
        return claim_job(self.table, Verification, self.job.key, lambda: self.now, INVOCATION)

    def take(self) -> Hold[Verification]:
        hold = self.claim()
        assert hold
        return hold

    def read(self) -> Item:
        item = self.table.get(self.job.key)
        assert item
        return item

    def run(self, work: Counting, left: Callable[[], float] = lambda: INVOCATION) -> Verification:
        hold = self.claim()
        if hold:
            run_job(hold, work, self.queue, left)
        return Verification.model_validate(self.read())

    def due(self) -> list[Item]:
        page = self.table.query_index(LEASES, lease_shard(0), limit=9)
        pages = [self.table.query_index(LEASES, lease_shard(n), limit=9) for n in range(1, 4)]
        return [*page.items, *(item for page in pages for item in page.items)]


@pytest.fixture
def site() -> Site:
    return Site()


def test_one_invocation_does_it_all(site: Site) -> None:
    done = site.run(Counting())
    assert (done.status, done.chunks, done.epoch) == ("completed", 3, 1)
    assert done.ended_at == format_time(NOON)
    assert not site.queue.messages
    assert not site.due()


def test_a_held_job_is_nobody_elses(site: Site) -> None:
    site.take()
    assert site.claim() is None
    site.now += timedelta(seconds=INVOCATION + 6)
    assert site.take().job.epoch == 2


def test_a_job_that_has_ended_is_not_claimed(site: Site) -> None:
    site.run(Counting())
    assert site.claim() is None


def test_it_goes_on_where_the_last_invocation_came(site: Site) -> None:
    seconds = iter([900.0, 900.0, 10.0])
    half = site.run(Counting(), lambda: next(seconds))
    assert (half.status, half.chunks, half.claimed_by) == ("running", 2, None)
    ((message, delay),) = site.queue.messages
    assert message == JobMessage(kind="verify", system_id="s1", job_id="j1")
    assert delay == 0
    steps: list[int] = []
    assert site.run(Counting(steps.append)).status == "completed"
    assert steps == [2]


def test_a_superseded_hold_writes_nothing(site: Site) -> None:
    stale = site.take()
    site.now += timedelta(hours=1)
    site.take().advance({"chunks": 2})
    other = Put(site.job.key._replace(sk="OTHER"), {"by": "stale"})
    with pytest.raises(Superseded):
        stale.advance({"chunks": 1}, other)
    with pytest.raises(Superseded):
        stale.hand_on()
    with pytest.raises(Superseded):
        stale.note_fault("?")
    with pytest.raises(Superseded):
        stale.end("completed", {}, other)
    assert site.read()["chunks"] == 2
    assert site.table.get(other.key) is None


def test_a_stale_invocation_ends_without_a_message(site: Site) -> None:
    def lose(step: int) -> None:
        site.now += timedelta(hours=1)
        site.take()

    assert site.run(Counting(lose)).status == "running"
    assert not site.queue.messages


def test_three_faults_in_a_row_end_it_with_each(site: Site) -> None:
    faults = iter(["first", "second", "third"])

    def stumble(step: int) -> None:
        raise OSError(next(faults))

    for number in (1, 2):
        job = site.run(Counting(stumble))
        assert (job.status, job.attempts, len(job.faults)) == ("running", number, number)
        assert site.queue.messages[-1][1] == 60
    job = site.run(Counting(stumble))
    assert job.status == "failed"
    assert job.reasons == ("OSError: first", "OSError: second", "OSError: third")
    assert not site.due()


def test_attempts_count_from_the_last_progress(site: Site) -> None:
    """Each attempt does one step and stumbles over the next: it comes to its end."""
    done = 0

    def stumble(step: int) -> None:
        nonlocal done
        if step > done:
            done = step
            raise OSError("again")

    for _ in range(7):
        job = site.run(Counting(stumble, steps=8))
        assert (job.status, job.attempts) == ("running", 0)
    assert site.run(Counting(stumble, steps=8)).status == "completed"


def test_lost_invocations_end_it_too(site: Site) -> None:
    for _ in range(3):
        site.take()
        site.now += timedelta(hours=1)
    job = site.run(Counting())
    assert job.status == "failed"
    assert "attempts in a row" in job.reasons[-1]


def test_one_without_progress_is_not_handed_on_for_ever(site: Site) -> None:
    for _ in range(3):
        assert site.run(Counting(), lambda: 1.0).status == "running"
    assert site.run(Counting(), lambda: 1.0).status == "failed"


def test_the_index_says_when_its_message_is_due(site: Site) -> None:
    (item,) = site.due()
    due = parse_lease_owner(item["pk"], item["sk"])
    assert due == ("s1", "VERIFY#", "j1")
    site.take()
    (item,) = site.due()
    assert item["lease_expires_at"] > format_time(NOON + timedelta(seconds=INVOCATION))


def test_a_job_that_is_sent_again_is_free_at_once(site: Site) -> None:
    site.take()
    site.now += timedelta(hours=1)
    site.table.write(resend_job(Job.model_validate(site.read()), site.now))
    assert site.claim()
