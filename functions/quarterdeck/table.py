"""The one DynamoDB table: keys, marshalling, transactions, conflict retries.

The only module that spells a key. A write is a plain value, so that what a decision writes can be
compared in a test, and a condition is a list of rules that must all hold.
"""

import secrets
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from quarterdeck.errors import Contention
from quarterdeck.names import format_time

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type Item = dict[str, Any]

REGISTRY_SHARDS = 8
LEASE_SHARDS = 4
CONFLICT_ATTEMPTS = 8


class Key(NamedTuple):
    pk: str
    sk: str


def system_key(system_id: str) -> Key:
    return Key(f"SYS#{system_id}", "META")


def name_key(name: str) -> Key:
    return Key(f"NAME#{name}", "NAME")


def version_key(system_id: str, version: int) -> Key:
    return Key(f"SYS#{system_id}", f"VERSION#{version:06}")


def deployment_key(system_id: str, number: int) -> Key:
    return Key(f"SYS#{system_id}", f"DEPLOYMENT#{number:06}")


def api_key_key(digest: str) -> Key:
    return Key(f"KEY#{digest}", "KEY")


class Scope(NamedTuple):
    """One generation of a system's data: what a restore writes anew."""

    system_id: str
    generation: int

    @property
    def prefix(self) -> str:
        return f"SYS#{self.system_id}@{self.generation}"

    @property
    def blob_prefix(self) -> str:
        return f"blobs/{self.system_id}@{self.generation}"

    def crew_key(self, crew: str) -> Key:
        return Key(f"{self.prefix}#CREW#{crew}", "CREW")

    def queue_key(self, crew: str, rank: str, task_id: str) -> Key:
        return Key(f"{self.prefix}#CREW#{crew}", f"QUEUE#{rank}#{task_id}")

    def registry_key(self, task_id: str, created: datetime) -> Key:
        shard = find_shard(task_id, REGISTRY_SHARDS)
        return Key(f"{self.prefix}#TASKS#{created:%Y-%m-%d}#{shard}", task_id)

    def state_key(self, task_id: str) -> Key:
        return Key(f"{self.prefix}#TASK#{task_id}", "STATE")

    def spec_key(self, task_id: str) -> Key:
        return Key(f"{self.prefix}#TASK#{task_id}", "SPEC")

    def end_key(self, task_id: str) -> Key:
        return Key(f"{self.prefix}#TASK#{task_id}", "END")

    def event_key(self, task_id: str, number: int) -> Key:
        return Key(f"{self.prefix}#TASK#{task_id}", f"EVENT#{number:06}")

    def bucket_key(self, crew: str, moment: datetime) -> Key:
        return Key(f"{self.prefix}#METRICS#{crew}", f"{moment:%Y-%m-%dT%H:%M}")

    def by_time(self, task_id: str, created: datetime) -> Item:
        """The keys of a task's STATE in the index `tasks-by-time`."""
        return {"tasks_of": self.prefix, "task_time": f"{format_time(created)}#{task_id}"}


LEASE_KEYS = ("lease_shard", "lease_expires_at")


def lease_index(task_id: str, expires: datetime) -> Item:
    """The keys of a task's STATE in the index `leases`: when its message or its worker is due."""
    shard = lease_shard(find_shard(task_id, LEASE_SHARDS))
    return dict(zip(LEASE_KEYS, (shard, format_time(expires)), strict=True))


def lease_shard(number: int) -> str:
    return f"LEASES#{number}"


def find_shard(task_id: str, shards: int) -> int:
    return zlib.crc32(task_id.encode()) % shards


def parse_task_key(pk: str) -> tuple[Scope, str]:
    """Scope and task id of `SYS#<system_id>@<generation>#TASK#<task_id>`."""
    system, task_id = pk.removeprefix("SYS#").split("#TASK#")
    system_id, generation = system.split("@")
    return Scope(system_id, int(generation)), task_id


class Equals(NamedTuple):
    attribute: str
    value: str | int


class Below(NamedTuple):
    """One attribute's number is under another's."""

    attribute: str
    other: str


class Absent(NamedTuple):
    """No such item."""


class Present(NamedTuple):
    """There is such an item."""


type Condition = Equals | Below | Absent | Present


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
    """Reads and writes items as plain dictionaries. Reads by key are strongly consistent."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self.client = client
        self.name = name

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
        index: str,
        partition: tuple[str, str],
        *,
        below: tuple[str, str] | None = None,
        newest_first: bool = False,
        limit: int,
        start: Item | None = None,
    ) -> Page:
        """A page of an index, eventually consistent. `partition`, `below`: (attribute, value)."""
        names, values = {"#pk": partition[0]}, {":pk": partition[1]}
        condition = "#pk = :pk"
        if below:
            names["#sk"], values[":below"] = below
            condition = f"{condition} AND #sk < :below"
        request: dict[str, Any] = {
            "TableName": self.name,
            "IndexName": index,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": marshal_item(values),
            "ScanIndexForward": not newest_first,
            "Limit": limit,
        }
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
        for attempt in range(CONFLICT_ATTEMPTS):
            if attempt:
                time.sleep(secrets.randbelow(25 * 2**attempt) / 1000)
            if self._attempt(writes):
                return
        raise Contention("other requests changed the same items at each attempt")

    def _attempt(self, writes: Sequence[Write]) -> bool:
        """Whether it was written; False on a conflict with another transaction."""
        requests = [self._express(write) for write in writes]
        errors = self.client.exceptions
        try:
            if len(requests) == 1:
                ((verb, request),) = requests[0].items()
                getattr(self.client, f"{verb.lower()}_item")(**request)
            else:
                self.client.transact_write_items(TransactItems=requests)
        except errors.ConditionalCheckFailedException:
            raise ConditionFailed(writes) from None
        except errors.TransactionConflictException:
            return False
        except errors.TransactionCanceledException as error:
            codes = [reason.get("Code") for reason in error.response["CancellationReasons"]]
            refused = [w for w, c in zip(writes, codes, strict=True) if c == REFUSED]
            if refused:
                raise ConditionFailed(refused) from None
            if CONFLICT not in codes:
                raise
            return False
        return True

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


REFUSED = "ConditionalCheckFailed"
CONFLICT = "TransactionConflict"


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
            case Absent():
                return "attribute_not_exists(pk)"
            case Present():
                return "attribute_exists(pk)"


def marshal_key(key: Key) -> dict[str, Any]:
    return marshal_item(key._asdict())


def marshal_item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: marshal(value) for name, value in item.items()}


def unmarshal_item(item: Mapping[str, Any]) -> Item:
    return {name: unmarshal(value) for name, value in item.items()}


def marshal(value: Any) -> dict[str, Any]:
    """A JSON value as DynamoDB's; numbers keep their shortest exact text."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
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
