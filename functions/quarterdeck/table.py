"""The one DynamoDB table: marshalling, transactions, conflict retries.

A write is a plain value, so that what a decision writes can be compared in a test, and a condition
is a list of rules that must all hold.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from quarterdeck.errors import Contention
from quarterdeck.keys import Index, Key
from quarterdeck.retention import RETENTION, Expiry, Retention

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type Item = dict[str, Any]

CONFLICT_ATTEMPTS = 8


class Equals(NamedTuple):
    attribute: str
    value: str | int


class Below(NamedTuple):
    """One attribute's number is under another's."""

    attribute: str
    other: str


class AtMost(NamedTuple):
    """The attribute is there, a number, and not over `value`."""

    attribute: str
    value: int


class Absent(NamedTuple):
    """No such item."""


class Present(NamedTuple):
    """There is such an item."""


class Unset(NamedTuple):
    """The item lacks the attribute."""

    attribute: str


type Condition = Equals | Below | AtMost | Absent | Present | Unset


@dataclass(frozen=True)
class Put:
    key: Key
    item: Item
    conditions: Sequence[Condition] = ()


@dataclass(frozen=True)
class Update:
    key: Key
    assign: Mapping[str, Any]
    add: Mapping[str, int]
    remove: Sequence[str] = ()
    conditions: Sequence[Condition] = ()


@dataclass(frozen=True)
class Delete:
    key: Key
    conditions: Sequence[Condition] = ()


type Write = Put | Update | Delete


class ConditionFailed(Exception):
    """Nothing was written: the conditions of `writes` do not hold."""

    def __init__(self, writes: Sequence[Write]) -> None:
        super().__init__(", ".join(f"{write.key.pk} {write.key.sk}" for write in writes))
        self.writes = tuple(writes)


class Page(NamedTuple):
    items: list[Item]
    last_key: Item | None


class Table:
    """Reads and writes items as plain dictionaries. Reads by key are strongly consistent.

    `expires_at` of a write may be an Expiry: `retention` says when that is.
    """

    def __init__(
        self, client: "DynamoDBClient", name: str, retention: Retention = RETENTION
    ) -> None:
        self.client = client
        self.name = name
        self.retention = retention

    def get(self, key: Key) -> Item | None:
        answer = self.client.get_item(
            TableName=self.name, Key=marshal_key(key), ConsistentRead=True
        )
        return unmarshal_item(answer["Item"]) if "Item" in answer else None

    def query(
        self, pk: str, prefix: str, *, up_to: str | None = None, limit: int | None = None
    ) -> Iterator[Item]:
        """The items of one partition in the order of `sk`, strongly consistent.

        `prefix` is how `sk` begins; with `up_to`, `sk` lies between the two, both included.
        """
        request = self._partition(pk, prefix, up_to)
        if limit:
            request["Limit"] = limit
        while True:
            answer = self.client.query(**request)
            yield from (unmarshal_item(item) for item in answer["Items"])
            if "LastEvaluatedKey" not in answer or limit:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def query_newest(self, pk: str, prefix: str, *, limit: int, start: Item | None = None) -> Page:
        """A page of one partition, the last `sk` first, strongly consistent."""
        request = self._partition(pk, prefix, None)
        return self._read_page(request | {"ScanIndexForward": False, "Limit": limit}, start)

    def count(self, pk: str, prefix: str, up_to: str | None = None) -> int:
        """How many items `query` would give."""
        request = self._partition(pk, prefix, up_to) | {"Select": "COUNT"}
        total = 0
        while True:
            answer = self.client.query(**request)
            total += answer["Count"]
            if "LastEvaluatedKey" not in answer:
                return total
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _partition(self, pk: str, prefix: str, up_to: str | None) -> dict[str, Any]:
        condition, values = "pk = :pk", {":pk": pk, ":prefix": prefix}
        if up_to is not None:
            condition, values = (
                f"{condition} AND sk BETWEEN :prefix AND :last",
                {
                    **values,
                    ":last": up_to,
                },
            )
        elif prefix:
            condition = f"{condition} AND begins_with(sk, :prefix)"
        else:
            del values[":prefix"]
        return {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": marshal_item(values),
            "ConsistentRead": True,
        }

    def query_index(
        self,
        index: Index,
        partition: str,
        *,
        below: str | None = None,
        between: tuple[str, str] | None = None,
        newest_first: bool = False,
        limit: int,
        start: Item | None = None,
    ) -> Page:
        """A page of an index, eventually consistent.

        With `below`, what is ordered before it; with `between`, from the one to the other.
        """
        names, values = {"#partition": index.partition}, {":partition": partition}
        condition = "#partition = :partition"
        if below:
            names["#order"], values[":below"] = index.order, below
            condition = f"{condition} AND #order < :below"
        elif between:
            names["#order"] = index.order
            values[":first"], values[":last"] = between
            condition = f"{condition} AND #order BETWEEN :first AND :last"
        request: dict[str, Any] = {
            "TableName": self.name,
            "IndexName": index.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": marshal_item(values),
            "ScanIndexForward": not newest_first,
            "Limit": limit,
        }
        return self._read_page(request, start)

    def _read_page(self, request: dict[str, Any], start: Item | None) -> Page:
        if start:
            request["ExclusiveStartKey"] = marshal_item(start)
        answer = self.client.query(**request)
        last = answer.get("LastEvaluatedKey")
        return Page(
            [unmarshal_item(item) for item in answer["Items"]],
            unmarshal_item(last) if last else None,
        )

    def write(self, *writes: Write) -> None:
        """All of `writes` or none; ConditionFailed names those that were refused.

        A conflict with another transaction is tried again with jitter, then it is Contention.
        """
        dated = [date_write(write, self.retention) for write in writes]
        if len(dated) == 1:
            self._write_one(dated[0], "NONE")
        else:
            requests = [self._express(write) for write in dated]
            retry_conflicts(lambda: self._transact(dated, requests))

    def update(self, write: Update) -> Item:
        """The item as `write` leaves it; raises as `write` does."""
        return self._write_one(date_write(write, self.retention), "ALL_NEW")

    def _write_one(self, write: Write, returned: str) -> Item:
        ((verb, request),) = self._express(write).items()
        # With the item, a refusal tells whether an answer that was lost had been a yes.
        request |= {"ReturnValues": returned, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        return retry_conflicts(lambda: self._send(write, verb, request))

    def _send(self, write: Write, verb: str, request: dict[str, Any]) -> Item | None:
        """The item that was asked for, empty if none was; None on a conflict."""
        errors = self.client.exceptions
        try:
            answer = getattr(self.client, f"{verb.lower()}_item")(**request)
        except errors.ConditionalCheckFailedException as error:
            found = unmarshal_item(cast(Item, error.response.get("Item", {})))
            if not is_done(write, found):
                raise ConditionFailed([write]) from None
            return found
        except errors.TransactionConflictException:
            return None
        return unmarshal_item(answer.get("Attributes", {}))

    def _transact(self, writes: Sequence[Write], requests: list[Any]) -> Item | None:
        """An empty item when it was written, None on a conflict."""
        try:
            self.client.transact_write_items(TransactItems=requests)
        except self.client.exceptions.TransactionCanceledException as error:
            codes = [reason.get("Code") for reason in error.response["CancellationReasons"]]
            refused = [w for w, c in zip(writes, codes, strict=True) if c == REFUSED]
            if refused:
                raise ConditionFailed(refused) from None
            if CONFLICT not in codes:
                raise
            return None
        return {}

    def _express(self, write: Write) -> Any:
        words = Expression()
        condition = " AND ".join(words.condition(rule) for rule in write.conditions)
        match write:
            case Put(key, item):
                request: dict[str, Any] = {"Put": {"Item": marshal_item({**key._asdict(), **item})}}
            case Update(key, assign, add, remove):
                clauses = (
                    ("SET", [f"{words.name(n)} = {words.value(v)}" for n, v in assign.items()]),
                    ("ADD", [f"{words.name(n)} {words.value(v)}" for n, v in add.items()]),
                    ("REMOVE", [words.name(n) for n in remove]),
                )
                expression = " ".join(
                    f"{verb} {', '.join(parts)}" for verb, parts in clauses if parts
                )
                request = {"Update": {"Key": marshal_key(key), "UpdateExpression": expression}}
            case Delete(key):
                request = {"Delete": {"Key": marshal_key(key)}}
        body: dict[str, Any] = next(iter(request.values()))
        body["TableName"] = self.name
        if condition:
            body["ConditionExpression"] = condition
        if words.names:
            body["ExpressionAttributeNames"] = words.names
        if words.values:
            body["ExpressionAttributeValues"] = words.values
        return request


def date_write(write: Write, retention: Retention) -> Write:
    """With the second at which the item expires."""
    match write:
        case Put(_, {"expires_at": Expiry() as expiry} as item):
            return replace(write, item={**item, "expires_at": retention.date(expiry)})
        case Update(_, {"expires_at": Expiry() as expiry} as assign):
            return replace(write, assign={**assign, "expires_at": retention.date(expiry)})
    return write


REFUSED = "ConditionalCheckFailed"
CONFLICT = "TransactionConflict"


def retry_conflicts(attempt: Callable[[], Item | None]) -> Item:
    """The answer of the first attempt that meets no conflict; Contention after the last."""
    for number in range(CONFLICT_ATTEMPTS):
        if number:
            time.sleep(secrets.randbelow(25 * 2**number) / 1000)
        answer = attempt()
        if answer is not None:
            return answer
    raise Contention("other requests changed the same items at each attempt")


def is_done(write: Write, found: Item) -> bool:
    """Whether the item found is what `write` leaves: then its first answer was lost on the way.

    Whoever must not take another's write for its own writes a value that is its own.
    """
    match write:
        case Put(_, item):
            wanted: Mapping[str, Any] = item
        case Update(_, assign, add) if not add:
            wanted = assign
        case _:
            return False
    return bool(wanted) and all(
        found.get(name) == unmarshal(marshal(value)) for name, value in wanted.items()
    )


class Expression:
    """The placeholders of one request's expressions."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Any] = {}

    def name(self, attribute: str) -> str:
        placeholder = f"#{attribute}"
        self.names[placeholder] = attribute
        return placeholder

    def value(self, value: Any) -> str:
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = marshal(value)
        return placeholder

    def condition(self, rule: Condition) -> str:
        match rule:
            case Equals(attribute, value):
                return f"{self.name(attribute)} = {self.value(value)}"
            case Below(attribute, other):
                return f"{self.name(attribute)} < {self.name(other)}"
            case AtMost(attribute, value):
                return f"{self.name(attribute)} <= {self.value(value)}"
            case Absent():
                return "attribute_not_exists(pk)"
            case Present():
                return "attribute_exists(pk)"
            case Unset(attribute):
                return f"attribute_not_exists({self.name(attribute)})"


def marshal_key(key: Key) -> dict[str, Any]:
    return marshal_item(key._asdict())


def marshal_item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: marshal(value) for name, value in item.items()}


def unmarshal_item(item: Mapping[str, Any]) -> Item:
    return {name: unmarshal(value) for name, value in item.items()}


def marshal(value: Any) -> dict[str, Any]:
    """A JSON value, or bytes, as DynamoDB's; numbers keep their shortest exact text."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str() | bytes():
            return {"S" if isinstance(value, str) else "B": value}
        case int() | float():
            return {"N": repr(value)}
        case Mapping():
            return {"M": marshal_item(value)}
        case list() | tuple():
            return {"L": [marshal(element) for element in value]}
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def unmarshal(value: Mapping[str, Any]) -> Any:
    """A DynamoDB value as JSON's: numbers are int where their text is."""
    ((kind, content),) = value.items()
    match kind:
        case "NULL":
            return None
        case "N":
            return float(content) if set(content) & set(".eE") else int(content)
        case "M":
            return unmarshal_item(content)
        case "L":
            return [unmarshal(element) for element in content]
    return content
