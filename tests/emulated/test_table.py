"""The table on the emulator keeps its promises, and DynamoDB in memory does what it does."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.keys import LEASES, Key
from quarterdeck.table import (
    Absent,
    Below,
    Condition,
    ConditionFailed,
    Delete,
    Equals,
    Item,
    Present,
    Put,
    Table,
    Unset,
    Update,
    Write,
)
from tests.fakes import FakeTable
from tests.table_conformance import TableConformance, create_table
from tests.table_indexes import INDEXES

NAME = "conformance"
SHARD, EXPIRY = LEASES.partition, LEASES.order


@pytest.fixture(scope="module")
def table(aws: Callable[[str], Any]) -> Iterator[Table]:
    client = aws("dynamodb")
    create_table(client, NAME, INDEXES)
    yield Table(client, NAME)
    client.delete_table(TableName=NAME)


class TestEmulatedTable(TableConformance):
    pass


@dataclass(frozen=True)
class Change:
    writes: list[Write]

    def ask(self, table: Table, run: str) -> None:
        table.write(*(move(write, run) for write in self.writes))


@dataclass(frozen=True)
class Replace:
    write: Update

    def ask(self, table: Table, run: str) -> object:
        return table.update(replace(self.write, **vars(move(self.write, run))))


@dataclass(frozen=True)
class Get:
    key: Key

    def ask(self, table: Table, run: str) -> object:
        return table.get(move_key(self.key, run))


@dataclass(frozen=True)
class Query:
    pk: str
    prefix: str
    up_to: str | None
    limit: int | None

    def ask(self, table: Table, run: str) -> object:
        found = table.query(run + self.pk, self.prefix, up_to=self.up_to, limit=self.limit)
        return list(found), table.count(run + self.pk, self.prefix, self.up_to)


@dataclass(frozen=True)
class QueryIndex:
    """All its pages; entries of the same time come in any order."""

    below: str | None
    newest_first: bool
    limit: int

    def ask(self, table: Table, run: str) -> object:
        pages: list[list[Item]] = []
        start: Item | None = None
        while start or not pages:
            page = table.query_index(
                LEASES,
                f"{run}1",
                below=self.below,
                newest_first=self.newest_first,
                limit=self.limit,
                start=start,
            )
            pages.append(page.items)
            start = page.last_key
        entries = [item for items in pages for item in items]
        in_order = sorted(entries, key=lambda item: (item[EXPIRY], item["pk"], item["sk"]))
        return [len(items) for items in pages], [item[EXPIRY] for item in entries], in_order


type Step = Change | Replace | Get | Query | QueryIndex


def move(write: Write, run: str) -> Write:
    """The write in partitions, and in an index's, that no other run has."""
    match write:
        case Put(key, item):
            return replace(write, key=move_key(key, run), item=dict(move_shard(item, run)))
        case Update(key, assign):
            return replace(write, key=move_key(key, run), assign=move_shard(assign, run))
        case Delete(key):
            return replace(write, key=move_key(key, run))


def move_key(key: Key, run: str) -> Key:
    return Key(run + key.pk, key.sk)


def move_shard(item: Mapping[str, Any], run: str) -> Mapping[str, Any]:
    return {n: run + v if n == SHARD and v else v for n, v in item.items()}


def build_update(
    key: Key, assign: Item, add: dict[str, int], remove: list[str], rules: list[Condition]
) -> Update:
    """One that names each attribute once, and any at all: the emulator takes others too."""
    add = {name: number for name, number in add.items() if name not in assign}
    remove = [name for name in remove if name not in assign and name not in add]
    return Update(key, assign if assign or add or remove else {"e": 1}, add, remove, rules)


# The emulator lets some updates keep numbers that AWS refuses, and their spelling.
numbers = (
    st.integers(-3, 3)
    | st.integers(-(10**37), 10**37)
    | st.floats(-1e6, 1e6, allow_subnormal=False)
)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=5) | st.sampled_from(["a", "b"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=5,
)
names = st.sampled_from("abcd")
plain = st.dictionaries(names, values, max_size=2)
index_names = st.sampled_from([SHARD, EXPIRY])
indexed = st.dictionaries(index_names, st.sampled_from(["1", "2", "3"]))
items = st.builds(lambda one, two: {**one, **two}, plain, st.just({}) | indexed)
rules = st.lists(
    st.one_of(
        st.builds(Absent),
        st.builds(Present),
        st.builds(Unset, names),
        st.builds(Equals, names, st.sampled_from([0, 1, "a", "b"])),
        st.builds(Below, names, names),
    ),
    max_size=2,
)
pks, sks = st.sampled_from("pq"), st.sampled_from(["A", "A#1", "A#2", "B", "B#", "C"])
keys = st.builds(Key, pks, sks)
updates = st.builds(
    build_update,
    keys,
    items,
    st.dictionaries(names, st.integers(-2, 2), max_size=1),
    st.lists(names | index_names, max_size=1),
    rules,
)
writes = st.builds(Put, keys, items, rules) | updates | st.builds(Delete, keys, rules)
limits = st.integers(1, 3)
steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(Change, st.lists(writes, min_size=1, max_size=4)),
    st.builds(Change, st.lists(writes, min_size=1, max_size=1)),
    st.builds(Replace, updates),
    st.builds(Get, keys),
    st.builds(Query, pks, sks | st.just(""), st.none() | sks, st.none() | limits),
    st.builds(QueryIndex, st.sampled_from([None, "2"]), st.booleans(), limits),
)


def read_answer(step: Step, table: Table, run: str) -> object:
    try:
        return step.ask(table, run)
    except ConditionFailed as refusal:
        return "refused", [write.key for write in refusal.writes]
    except ClientError as error:
        return "error", error.response["Error"]["Code"]


def read_everything(table: Table, run: str) -> list[Item]:
    return [item for pk in "pq" for item in table.query(run + pk, "")]


@settings(max_examples=max(50, settings().max_examples // 10))
@given(st.lists(steps, max_size=25))
def test_any_sequence_has_the_answers_of_the_emulator(table: Table, sequence: list[Step]) -> None:
    run, fake = secrets.token_hex(8), FakeTable()
    for step in sequence:
        assert read_answer(step, fake, run) == read_answer(step, table, run)
    assert read_everything(fake, run) == read_everything(table, run)
