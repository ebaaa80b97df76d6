"""DynamoDB in memory: the client that `quarterdeck.table` calls, for one caller at a time."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from tests.dynamodb_rules import (
    Invalid,
    Misfit,
    Record,
    Request,
    WrongOperand,
    check_index_types,
    check_write,
    holds,
    is_small,
    measure_item,
    normalize_item,
    read_value,
    spell,
    update_item,
)
from tests.table_indexes import INDEXES, Declaration

PAGE_BYTES = 1024 * 1024
TRANSACTION_ITEMS = 100
TRANSACTION_BYTES = 4 * 1024 * 1024
KEY_CONDITION = re.compile(
    r"(?P<partition>\S+) = (?P<of>\S+)(?: AND (?:"
    r"begins_with\((?P<begins>\S+), (?P<prefix>\S+)\)"
    r"|(?P<between>\S+) BETWEEN (?P<first>\S+) AND (?P<last>\S+)"
    r"|(?P<under>\S+) < (?P<limit>\S+)))?"
)

type Place = tuple[str, str]
"""The values of pk and sk."""
type Writes = Sequence[tuple[str, Request]]
"""Of one call: (`Put`, `Update` or `Delete`, its request)."""
type Found = list[tuple[tuple[str, ...], Record]]
"""(position, item) in order."""
type Items = dict[str, dict[str, Record]]
"""{pk: {sk: item}}. An item is never changed, but replaced."""


class ConditionalCheckFailed(ClientError): ...


class TransactionConflict(ClientError): ...


class TransactionCanceled(ClientError): ...


def refuse(kind: type[ClientError], **details: Any) -> ClientError:
    """An error as boto3 makes it: of the class that `client.exceptions` has."""
    name = kind.__name__.removesuffix("Exception") + "Exception"
    return kind({"Error": {"Code": name, "Message": name}, **details}, "Write")  # type: ignore


def cancel(kind: type[ClientError], codes: Sequence[str]) -> ClientError:
    return refuse(kind, CancellationReasons=[{"Code": code} for code in codes])


class FakeDynamoDB:
    """One table, as far as `quarterdeck.table` uses it; `on_change` sees each item's changes."""

    exceptions = SimpleNamespace(
        ConditionalCheckFailedException=ConditionalCheckFailed,
        TransactionConflictException=TransactionConflict,
        TransactionCanceledException=TransactionCanceled,
    )

    def __init__(self) -> None:
        self.items: Items = {}
        self.on_change: Callable[[Record | None, Record | None], None] = lambda old, new: None
        self._indexed: Items | None = None
        self._tokens: set[str] = set()

    def freeze_indexes(self) -> None:
        """From now on indexes show what is there now, as DynamoDB's may for a while."""
        self._indexed = {pk: dict(items) for pk, items in self.items.items()}

    def thaw_indexes(self) -> None:
        self._indexed = None

    def get_item(self, *, Key: Record, **_: Any) -> Any:  # noqa: N803 - as boto3 has it
        item = self._find(locate(Key))
        return {} if item is None else {"Item": item}

    def put_item(self, **request: Any) -> Any:
        return self._write_one("Put", request)

    def update_item(self, **request: Any) -> Any:
        return self._write_one("Update", request)

    def delete_item(self, **request: Any) -> Any:
        return self._write_one("Delete", request)

    def _write_one(self, verb: str, request: Request) -> Any:
        check_write(verb, request)
        place = find_place(verb, request)
        item = self._find(place)
        code, changed = try_write(verb, request, item)
        match code:
            case "ConditionalCheckFailed":
                wanted = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
                raise refuse(ConditionalCheckFailed, **({"Item": item} if wanted and item else {}))
            case "ValidationError":
                raise Invalid("The item does not allow this write")
        self._keep({place: changed})
        return {"Attributes": changed} if request.get("ReturnValues") == "ALL_NEW" else {}

    def transact_write_items(
        self,
        *,
        TransactItems: Sequence[Any],  # noqa: N803
        ClientRequestToken: str = "",  # noqa: N803
    ) -> Any:
        """A token that was seen before changes nothing: as for ten minutes, in DynamoDB."""
        writes: Writes = [next(iter(entry.items())) for entry in TransactItems]
        check_transaction(writes)
        if ClientRequestToken in self._tokens:
            return {}
        self._apply_all(writes)
        if ClientRequestToken:
            self._tokens.add(ClientRequestToken)
        return {}

    def _apply_all(self, writes: Writes) -> None:
        places = [find_place(verb, request) for verb, request in writes]
        tried = [
            try_write(*write, self._find(at)) for write, at in zip(writes, places, strict=True)
        ]
        if any(code != "None" for code, _ in tried):
            raise cancel(TransactionCanceled, [code for code, _ in tried])
        self._keep({place: item for place, (_, item) in zip(places, tried, strict=True)})

    def _find(self, place: Place) -> Record | None:
        pk, sk = place
        return self.items.get(pk, {}).get(sk)

    def _keep(self, changed: Mapping[Place, Record | None]) -> None:
        changes = [(self._find(place), item) for place, item in changed.items()]
        for (pk, sk), item in changed.items():
            if item is not None:
                self.items.setdefault(pk, {})[sk] = item
            elif pk in self.items:
                self.items[pk].pop(sk, None)
        for old, new in changes:
            if old or new:
                self.on_change(old, new)

    def query(self, **request: Any) -> Any:
        parts = KEY_CONDITION.fullmatch(request["KeyConditionExpression"])
        assert parts, request["KeyConditionExpression"]
        index = INDEXES.get(request.get("IndexName", ""))
        of = read_key(request, parts["of"])
        lies_within = read_bounds(request, parts)
        assert spell(request, parts["partition"]) == (index.partition if index else "pk")
        entries = self._read_index(index, of) if index else self._read_partition(of)
        return answer_query(request, [entry for entry in entries if lies_within(entry[0][0])])

    def _read_partition(self, pk: str) -> Found:
        return [((sk,), item) for sk, item in sorted(self.items.get(pk, {}).items())]

    def _read_index(self, index: Declaration, of: str) -> Found:
        return sorted(self._list_entries(index, of), key=itemgetter(0))

    def _list_entries(
        self, index: Declaration, of: str
    ) -> Iterator[tuple[tuple[str, ...], Record]]:
        """What the index holds of each item that has both of its keys."""
        for items in (self.items if self._indexed is None else self._indexed).values():
            for item in items.values():
                if item.get(index.partition, {}).get("S") == of and index.order in item:
                    key = (item[index.order]["S"], *locate(item))
                    fields = {"pk", "sk", *index.keys, *index.fields}
                    yield key, {name: item[name] for name in item.keys() & fields}


def locate(key: Record) -> Place:
    return key["pk"]["S"], key["sk"]["S"]


def find_place(verb: str, request: Request) -> Place:
    return locate(request["Item"] if verb == "Put" else request["Key"])


def apply_write(verb: str, request: Request, item: Record | None) -> Record | None:
    match verb:
        case "Put":
            stored = normalize_item(request["Item"])
            check_index_types(stored)
            return stored
        case "Update":
            return update_item(request, item)
    return None


def try_write(verb: str, request: Request, item: Record | None) -> tuple[str, Record | None]:
    """What DynamoDB calls the reason that it cannot be done, or `None` and the item after it."""
    met = holds(request, item)
    try:
        changed = apply_write(verb, request, item)
    except Misfit:
        return "ValidationError", None
    except WrongOperand:
        return "ValidationError" if met else "ConditionalCheckFailed", None
    return "None" if met else "ConditionalCheckFailed", changed


def check_transaction(writes: Writes) -> None:
    if not writes:
        raise ParamValidationError(report="Invalid length for parameter TransactItems, value: 0")
    if len(writes) > TRANSACTION_ITEMS:
        raise Invalid("Member must have length less than or equal to 100")
    for verb, request in writes:
        check_write(verb, request)
    if len({find_place(verb, request) for verb, request in writes}) < len(writes):
        raise Invalid("Transaction request cannot include multiple operations on one item")
    sized = [request for _, request in writes if not is_small(request)]
    if sum(measure_request(request) for request in sized) > TRANSACTION_BYTES:
        raise Invalid("Transaction request exceeds the 4MB transaction size limit")


def measure_request(request: Request) -> int:
    parts = ("Item", "Key", "ExpressionAttributeValues")
    return sum(measure_item(normalize_item(request.get(part, {}))) for part in parts)


def read_key(request: Request, word: str) -> str:
    text: str = read_value(request, word)["S"]
    if not text:
        raise Invalid("One or more parameter values are not valid: an empty key", "Query")
    return text


def read_bounds(request: Request, parts: re.Match[str]) -> Callable[[str], bool]:
    if parts["prefix"]:
        prefix = read_key(request, parts["prefix"])
        return lambda sk: sk.startswith(prefix)
    if parts["between"]:
        first, last = read_key(request, parts["first"]), read_key(request, parts["last"])
        if first > last:
            raise Invalid("The BETWEEN operator requires upper bound to be no less", "Query")
        return lambda sk: first <= sk <= last
    if parts["under"]:
        limit = read_key(request, parts["limit"])
        return lambda sk: sk < limit
    return lambda sk: True


def answer_query(request: Request, found: Found) -> Any:
    """One page of what was found, in the order that is asked for."""
    index = INDEXES.get(request.get("IndexName", ""))
    keys = ("sk",) if index is None else (index.order, "pk", "sk")
    if not request.get("ScanIndexForward", True):
        found = found[::-1]
    if start := request.get("ExclusiveStartKey"):
        after = tuple(start[name]["S"] for name in keys)
        forward = request.get("ScanIndexForward", True)
        found = [each for each in found if (each[0] > after if forward else each[0] < after)]
    page, whole = cut_page([item for _, item in found], request.get("Limit"))
    answer: dict[str, Any] = {"Count": len(page)}
    if request.get("Select") != "COUNT":
        answer["Items"] = page
    if not whole:
        names = {"pk", "sk", *(index.keys if index else ())}
        answer["LastEvaluatedKey"] = {name: page[-1][name] for name in names}
    return answer


def cut_page(items: Sequence[Record], limit: int | None) -> tuple[list[Record], bool]:
    """What one answer holds, and whether DynamoDB knows that no more is there."""
    page: list[Record] = []
    size = 0
    for item in items:
        size += len(str(item)) if is_small(item) else measure_item(item)
        if page and size > PAGE_BYTES:
            return page, False
        page.append(item)
        if len(page) == limit or size >= PAGE_BYTES:
            return page, False
    return page, True
