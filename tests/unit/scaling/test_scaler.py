"""Scaling on the table: what is read, what is written, and what comes of it."""

from collections.abc import Callable
from unittest.mock import patch

import pytest

from quarterdeck.errors import Contention
from quarterdeck.keys import DECISION_PREFIX
from quarterdeck.metrics.reading import MetricsReader
from quarterdeck.retention import RETENTION
from quarterdeck.systems.lifecycle import pause_system
from quarterdeck.table import Update
from tests import systems
from tests.unit.scaling.sites import BUSY, CREW, NOON, Site


@pytest.fixture
def site() -> Site:
    """Capacity 1."""
    return Site(max_agents=20)


def test_load_brings_slots_and_tasks_take_them_at_once(site: Site) -> None:
    site.submit(12)
    site.count(**BUSY)
    decision = site.scale()
    assert decision is not None
    assert (decision.action, decision.previous, decision.capacity) == ("up", 1, 5)
    crew = site.read_crew()
    assert (crew["capacity"], crew["running"]) == (5, 5)
    assert len(site.queue.messages) == 5
    assert crew["scaled_at"] == crew["evaluated_at"] == "2026-11-23T12:00:00.000Z"


def test_a_decision_is_kept_with_its_numbers_and_reasons(site: Site) -> None:
    # 100 arrivals and 12 queued, of 60 s each.
    site.submit(12)
    site.count(**BUSY, throttled=0)
    site.scale()
    [kept] = site.list_decisions()
    need = (112 / 180 + 12 / 300) * 60
    assert kept.model_dump() == {
        "at": "2026-11-23T12:00:00.000Z",
        "action": "up",
        "previous_capacity": 1,
        "capacity": 5,
        "by": "controller",
        "reasons": [
            "utilization 12.00 is over 0.8",
            f"a need of {need:.2f} slots asks for 50",
            "at most 4 more a minute",
        ],
        "numbers": {
            "running": 0,
            "queued": 12,
            "throttled": 0,
            "utilization": 12,
            "arrivals_per_minute": round(112 / 3, 3),
            "service_s": 60,
            "need": round(need, 3),
            "highest_need": round(need, 3),
        },
    }
    [item] = site.table.query(site.scope.crew_key(CREW).pk, DECISION_PREFIX)
    assert item["expires_at"] == (NOON + RETENTION.keep("decisions")).timestamp()


def test_why_nothing_was_done_is_kept_too(site: Site) -> None:
    site.submit(3)
    assert site.scale() is not None
    site.pass_minutes(1)
    site.scale()
    assert [(each.action, each.reasons) for each in site.list_decisions()] == 2 * [
        ("hold", ["metrics are missing: how long a task runs, for none has ended"])
    ]
    assert [each.at[11:16] for each in site.list_decisions()] == ["12:01", "12:00"]


def test_metrics_that_cannot_be_read_hold_the_capacity(site: Site) -> None:
    site.submit(3)
    site.count(**BUSY)
    with patch.object(MetricsReader, "read_buckets", side_effect=RuntimeError):
        site.scale()
    assert site.list_decisions()[0].reasons == ["metrics are missing: what arrived"]
    assert site.read_crew()["capacity"] == 1


def test_a_minute_takes_few_requests(site: Site) -> None:
    site.submit(3)
    site.scale()
    site.pass_minutes(1)
    reads: list[str] = []
    writes: list[int] = []
    site.table.calls.before_read = lambda operation, request: reads.append(operation)
    site.table.calls.before_write = lambda: writes.append(1)
    site.scale()
    assert (sorted(reads), len(writes)) == (["get_item", "query", "query"], 1)


def test_an_idle_crew_is_written_once(site: Site) -> None:
    site.scale()
    before = site.table.dump()
    assert len(site.list_decisions()) == 1
    for _ in range(3):
        site.pass_minutes(1)
        assert site.scale() is None
    assert site.table.dump() == before
    site.submit(1)
    site.count(**BUSY)
    assert site.scale() is not None


def test_what_was_learned_lasts(site: Site) -> None:
    site.count(arrivals=6, succeeded=6, running_ms=720_000)
    site.scale()
    site.pass_minutes(30)
    site.submit(50)
    site.scale()
    # No task has ended since: those before ran for 120 s.
    assert site.list_decisions()[0].numbers["service_s"] == 120
    assert site.read_crew()["capacity"] == 5


def test_throttling_takes_slots() -> None:
    site = Site(agents=[systems.agent(str(n)) for n in range(10)], max_agents=20)
    site.submit(30)
    site.count(**BUSY, throttled=4)
    site.scale()
    [kept] = site.list_decisions()
    assert (kept.action, kept.previous_capacity, kept.capacity) == ("down", 10, 7)
    assert site.read_crew()["scaling"]["backed_off_at"] == "2026-11-23T12:00:00.000Z"


def test_neither_a_paused_crew_nor_a_dropped_one_is_scaled(site: Site) -> None:
    site.submit(3)
    assert site.scale(crew="nobody") is None
    pause_system(site.store, site.system, site.now)
    assert site.scale() is None
    assert site.list_decisions() == []


def test_a_policy_is_that_of_the_current_version(site: Site) -> None:
    site.submit(50)
    site.count(**BUSY)
    site.scale()
    site.deploy_bound(6)
    site.pass_minutes(1)
    site.scale()
    assert site.read_crew()["capacity"] == 6


def test_a_version_that_becomes_current_meanwhile_is_not_overruled() -> None:
    site = Site(agents=[systems.agent(str(n)) for n in range(10)], max_agents=20)
    site.submit(50)
    site.count(**BUSY)
    between(site, 1, lambda: site.deploy_bound(6))
    assert site.scale() is None
    assert site.read_crew()["capacity"] == 6
    assert site.list_decisions() == []


def test_a_capacity_set_by_hand_stands_for_a_cooldown(site: Site) -> None:
    site.submit(50)
    site.count(**BUSY)
    decision = site.scale_by_hand(capacity=2)
    assert (decision.previous, decision.capacity) == (1, 2)
    for _ in range(4):
        site.pass_minutes(1)
        site.scale()
    by_hand, *others = site.list_decisions()[::-1]
    assert (by_hand.by, by_hand.action, by_hand.numbers) == ("key-1", "up", {"running": 0})
    assert {each.action for each in others} == {"hold"}
    assert others[0].reasons == ["it was set by hand: nothing changes for another 240 s"]
    site.pass_minutes(1)
    site.scale()
    assert site.list_decisions()[0].capacity == 6


def test_two_who_scale_by_hand_count_both(site: Site) -> None:
    between(site, 1, lambda: site.scale_by_hand(action="scale_up", factor=3))
    decision = site.scale_by_hand(action="scale_up")
    assert (decision.previous, decision.capacity) == (4, 5)
    assert [each.previous_capacity for each in site.list_decisions()] == [4, 1]


def test_who_meets_others_at_each_attempt_is_told(site: Site) -> None:
    key, number = site.scope.crew_key(CREW), 0

    def disturb() -> None:
        nonlocal number
        number += 1
        with patch.object(site.table.calls, "before_write", lambda: None):
            site.table.write(Update(key, {"scaled_at": str(number)}, {}))

    site.table.calls.before_write = disturb
    with pytest.raises(Contention):
        site.scale_by_hand(capacity=3)
    assert site.read_crew()["capacity"] == 1


def between(site: Site, write: int, act: Callable[[], object]) -> None:
    """Before that write of whoever comes next, another acts."""
    seen = 0

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen == write:
            site.table.calls.before_write = lambda: None
            act()

    site.table.calls.before_write = count
