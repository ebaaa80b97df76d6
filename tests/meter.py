"""What DynamoDB would bill for a client's calls, by its rules for on-demand tables."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.table_indexes import INDEXES

KB = 1024
READ_BYTES = 4 * KB
TWICE = 2
"""A write in a transaction."""

type Item = Mapping[str, Any]


class Units(NamedTuple):
    """Request units: of reads by 4 KB, of writes by 1 KB."""

    read: float = 0.0
    written: float = 0.0

    def plus(self, other: "Units") -> "Units":
        return Units(self.read + other.read, self.written + other.written)


class Meter:
    """Counts from now on; single writes that are refused are billed as well."""

    def __init__(self, client: Any) -> None:
        self.units = Units()
        self._get = client.get_item
        for name, measure in (
            ("get_item", self._measure_read),
            ("query", self._measure_read),
            ("put_item", self._measure_write),
            ("update_item", self._measure_write),
            ("delete_item", self._measure_write),
            ("transact_write_items", self._measure_transaction),
        ):
            setattr(client, name, self._wrap(getattr(client, name), measure))

    def take(self) -> Units:
        """What was billed since it was asked last."""
        units, self.units = self.units, Units()
        return units

    def _wrap(self, call: Callable[..., Any], measure: Callable[..., Any]) -> Callable[..., Any]:
        def measured(**request: Any) -> Any:
            return measure(call, request)

        return measured

    def _measure_read(self, call: Callable[..., Any], request: Any) -> Any:
        answer = call(**request)
        items = [answer["Item"]] if "Item" in answer else answer.get("Items", [])
        units = max(1, math.ceil(sum(map(measure_item, items)) / READ_BYTES))
        self.units = self.units.plus(
            Units(read=units * (1 if request.get("ConsistentRead") else 0.5))
        )
        return answer

    def _measure_write(self, call: Callable[..., Any], request: Any) -> Any:
        with self._watch([request], 1):
            return call(**request)

    def _measure_transaction(self, call: Callable[..., Any], request: Any) -> Any:
        with self._watch([next(iter(each.values())) for each in request["TransactItems"]], TWICE):
            return call(**request)

    @contextmanager
    def _watch(self, requests: list[Any], times: int) -> Iterator[None]:
        keys = [(each["TableName"], find_key(each)) for each in requests]
        before = [self._read(*key) for key in keys]
        yield
        for old, key in zip(before, keys, strict=True):
            new = self._read(*key)
            size = max(measure_item(old), measure_item(new))
            units = times * max(1, math.ceil(size / KB)) + count_index_writes(old, new)
            self.units = self.units.plus(Units(written=units))

    def _read(self, table: str, key: Item) -> Item:
        found: Item = self._get(TableName=table, Key=key, ConsistentRead=True).get("Item", {})
        return found


def find_key(request: Any) -> Item:
    found = request.get("Key") or request["Item"]
    return {name: found[name] for name in ("pk", "sk")}


def count_index_writes(old: Item, new: Item) -> int:
    """An index is written if what it has of the item changes; a change of key is two writes."""
    count = 0
    for index in INDEXES.values():
        names = ("pk", "sk", *index.keys, *index.fields)
        before, after = (
            {name: item.get(name) for name in names} if set(index.keys) <= item.keys() else {}
            for item in (old, new)
        )
        if before == after:
            continue
        moved = before and after and any(before[name] != after[name] for name in index.keys)
        count += 2 if moved else 1
    return count


def measure_item(item: Item) -> int:
    """Bytes: names and values, numbers as their text."""
    return sum(len(name) + measure_value(value) for name, value in item.items())


def measure_value(value: Any) -> int:
    match value:
        case {"M": members}:
            return 3 + measure_item(members)
        case {"L": elements}:
            return 3 + sum(map(measure_value, elements))
        case {"S": text}:
            return len(text.encode())
        case {"N": text}:
            return len(text) // 2 + 1
        case {"B": content}:
            return len(content)
    return 1
