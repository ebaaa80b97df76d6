"""For how long things are kept: what a write says of it, and what the table makes of that."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from quarterdeck.keys import Key
from quarterdeck.retention import Expiry, Kept, Retention
from quarterdeck.table import Absent, Put, Update
from tests.fakes import FakeTable

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY, OTHER = Key("A", "B"), Key("A", "C")
KINDS = get_args(Kept)


@pytest.fixture
def table() -> FakeTable:
    made = FakeTable()
    made.retention = Retention(tasks_days=2)
    return made


def test_each_kind_has_days_of_its_own() -> None:
    assert {f"{kind}_days" for kind in KINDS} == set(Retention.model_fields)
    given = Retention.model_validate({f"{kind}_days": days for days, kind in enumerate(KINDS, 1)})
    for days, kind in enumerate(KINDS, 1):
        assert given.date(Expiry(kind, NOON)) == (NOON + timedelta(days=days)).timestamp()


def test_the_table_says_when_an_item_expires(table: FakeTable) -> None:
    expiry = {"expires_at": Expiry("tasks", NOON)}
    expected = int((NOON + timedelta(days=2)).timestamp())
    table.write(Put(KEY, expiry))
    table.write(Update(OTHER, expiry, {"running": 1}), Put(Key("A", "D"), {"name": "d"} | expiry))
    assert table.update(Update(KEY, expiry | {"name": "b"}, {}))["expires_at"] == expected
    assert {item["expires_at"] for item in table.dump()} == {expected}
    assert len(table.dump()) == 3


def test_what_has_its_second_keeps_it(table: FakeTable) -> None:
    table.write(Put(KEY, {"expires_at": 7}), Update(OTHER, {"expires_at": 8}, {}))
    assert [item["expires_at"] for item in table.dump()] == [7, 8]


def test_an_answer_that_was_lost_is_known_by_the_second_as_well(table: FakeTable) -> None:
    """The same write, sent again: its condition fails, and what it finds is its own."""
    put = Put(KEY, {"name": "b", "expires_at": Expiry("tasks", NOON)}, [Absent()])
    table.write(put)
    table.write(put)
    assert len(table.dump()) == 1
