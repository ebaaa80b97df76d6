"""Systems with something to do are looked at; idle ones cost nothing."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.systems.activity import (
    LONGEST_GAP,
    SLOT,
    ActiveSystems,
    find_slot,
    list_slots,
    mark_active,
)
from tests.fakes import FakeTable

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
moments = st.timedeltas(timedelta(0), timedelta(days=3)).map(lambda passed: NOON + passed)


@given(moments, moments, moments)
def test_no_mark_since_the_last_look_is_overlooked(
    look: datetime, mark: datetime, now: datetime
) -> None:
    look, mark, now = sorted((look, mark, now))
    slots = list_slots(look, now)
    assert slots[-1] == find_slot(now)
    assert len(slots) <= LONGEST_GAP / SLOT + 2
    if now - mark <= LONGEST_GAP:
        assert find_slot(mark) in slots


def test_a_mark_is_seen_for_as_long_as_it_takes_to_look_twice() -> None:
    table = FakeTable()
    active = ActiveSystems(table)
    mark_active(table, "desk-1", NOON)
    seen = []
    for minutes in range(0, 60, 5):
        now = NOON + timedelta(minutes=minutes)
        seen.append(list(active.list_marked(now)) == ["desk-1"])
        active.note_look(now)
    assert seen == [True] * 7 + [False] * 5


def test_a_system_is_told_once() -> None:
    table = FakeTable()
    for minutes in (0, 10, 20):
        mark_active(table, "desk-1", NOON + timedelta(minutes=minutes))
    assert list(ActiveSystems(table).list_marked(NOON + timedelta(minutes=20))) == ["desk-1"]


def test_a_process_writes_a_mark_once_a_slot() -> None:
    table = FakeTable()
    writes = []
    table.calls.after_write = lambda: writes.append(1)
    for minutes in range(30):
        for system in ("desk-1", "desk-2"):
            mark_active(table, system, NOON + timedelta(minutes=minutes))
    assert len(writes) == 4


def test_a_monitor_that_was_away_looks_at_what_came_meanwhile() -> None:
    table = FakeTable()
    active = ActiveSystems(table)
    active.note_look(NOON)
    mark_active(table, "desk-1", NOON + timedelta(hours=2))
    assert list(active.list_marked(NOON + timedelta(hours=10))) == ["desk-1"]
