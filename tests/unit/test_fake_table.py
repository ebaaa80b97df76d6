"""The table in memory keeps the table's promises, and fails as it is told to."""

from collections.abc import Callable

import pytest

from quarterdeck.errors import Contention
from quarterdeck.keys import LEASES, Key
from quarterdeck.table import (
    CONFLICT_ATTEMPTS,
    Absent,
    ConditionFailed,
    Equals,
    Present,
    Put,
    Unset,
    Update,
    Write,
)
from tests.fakes import FakeTable
from tests.faults import Conflict, Crash, LostAnswer, Unreachable
from tests.table_conformance import TableConformance, read_code

KEY, OTHER = Key("pk", "one"), Key("pk", "two")


class TestFakeTable(TableConformance):
    @pytest.fixture
    def table(self) -> FakeTable:
        return FakeTable()


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> FakeTable:
    monkeypatch.setattr("quarterdeck.table.time.sleep", lambda seconds: None)
    return FakeTable()


def fail(times: int, error: BaseException) -> Callable[[], None]:
    """A hook that raises the first few times."""
    errors = [error] * times

    def hook() -> None:
        if errors:
            raise errors.pop()

    return hook


PUT = Put(KEY, {"n": 1}, [Absent()])
BOTH = (PUT, Update(OTHER, {}, {"n": 1}))


@pytest.mark.parametrize("writes", [(PUT,), BOTH], ids=["one", "two"])
def test_a_crash_is_before_or_after_the_effect(table: FakeTable, writes: tuple[Write, ...]) -> None:
    table.calls.before_write = fail(1, Crash())
    with pytest.raises(Crash):
        table.write(*writes)
    assert table.dump() == []
    table.calls.after_write = fail(1, Crash())
    with pytest.raises(Crash):
        table.write(*writes)
    assert len(table.dump()) == len(writes)


@pytest.mark.parametrize("writes", [(PUT,), BOTH], ids=["one", "two"])
def test_conflicts_are_tried_again_until_it_is_contention(
    table: FakeTable, writes: tuple[Write, ...]
) -> None:
    table.calls.before_write = fail(CONFLICT_ATTEMPTS, Conflict())
    with pytest.raises(Contention):
        table.write(*writes)
    assert table.dump() == []
    table.calls.before_write = fail(CONFLICT_ATTEMPTS - 1, Conflict())
    table.write(*writes)
    assert len(table.dump()) == len(writes)


@pytest.mark.parametrize("writes", [(PUT,), BOTH], ids=["one", "two"])
def test_a_caller_that_hears_nothing_cannot_know(
    table: FakeTable, writes: tuple[Write, ...]
) -> None:
    table.calls.after_write = fail(1, Unreachable())
    with pytest.raises(Unreachable):
        table.write(*writes)
    assert len(table.dump()) == len(writes)


def test_a_transaction_whose_answer_is_lost_is_done_once(table: FakeTable) -> None:
    table.calls.after_write = fail(1, LostAnswer())
    table.write(*BOTH)
    assert table.get(OTHER) == {**OTHER._asdict(), "n": 1}


def test_a_write_whose_answer_is_lost_is_done_again(table: FakeTable) -> None:
    table.write(PUT)
    table.calls.after_write = fail(1, LostAnswer())
    table.write(Update(KEY, {}, {"n": 1}))
    assert table.get(KEY) == {**KEY._asdict(), "n": 3}


def test_a_conditional_write_whose_answer_is_lost_knows_its_own_effect(table: FakeTable) -> None:
    table.write(PUT)
    table.calls.after_write = fail(1, LostAnswer())
    claimed = table.update(Update(KEY, {"owner": "me"}, {}, conditions=[Unset("owner")]))
    assert claimed["owner"] == "me"
    table.calls.after_write = fail(1, LostAnswer())
    with pytest.raises(ConditionFailed):
        table.write(Update(KEY, {}, {"n": 1}, conditions=[Equals("n", 1)]))


@pytest.mark.parametrize(
    "write",
    [
        Update(KEY, {"a": 1}, {"a": 1}),
        Update(KEY, {"a": 1}, {}, remove=["a"]),
        Update(KEY, {}, {}, conditions=[Present()]),
        Update(KEY, {"a": 1}, {}, conditions=[Unset("")]),
    ],
    ids=["set and add", "set and remove", "nothing", "no name"],
)
def test_what_dynamodb_refuses_and_the_emulator_does_not(table: FakeTable, write: Update) -> None:
    assert read_code(lambda: table.write(write)) == "ValidationException"


def test_an_index_can_lag(table: FakeTable) -> None:
    leased = {"lease_shard": "L", "lease_expires_at": "1"}
    table.write(Put(KEY, leased))
    table.dynamodb.freeze_indexes()
    table.write(Update(KEY, {"lease_expires_at": "2"}, {}))
    (entry,) = table.query_index(LEASES, "L", limit=9).items
    assert entry["lease_expires_at"] == "1"
    table.dynamodb.thaw_indexes()
    (entry,) = table.query_index(LEASES, "L", limit=9).items
    assert entry["lease_expires_at"] == "2"
