"""What `quarterdeck.table` promises, for DynamoDB in memory and on a server alike."""

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from quarterdeck.keys import LEASES, Key
from quarterdeck.table import (
    Absent,
    AtMost,
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
from tests.table_indexes import Declaration

VALUES: Item = {
    "none": None,
    "yes": True,
    "no": False,
    "text": "",
    "unicode": "Ünï – 漢字 🚢",
    "zero": 0,
    "below": -17,
    "large": 10**37 + 1,
    "half": 0.5,
    "bytes": b"\x00\xff",
    "tiny": 1.5e-7,
    "list": [1, "two", None, [3.25]],
    "map": {"": 1, "inner": {"empty": {}, "list": []}},
}


def create_table(client: Any, name: str, indexes: dict[str, Declaration]) -> None:
    """The state table, as the data stack declares its keys and indexes."""
    keys = {"pk", "sk"} | {key for index in indexes.values() for key in index.keys}
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=describe_keys("pk", "sk"),
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in sorted(keys)],
        GlobalSecondaryIndexes=[
            {
                "IndexName": each,
                "KeySchema": describe_keys(*index.keys),
                "Projection": {
                    "ProjectionType": "INCLUDE",
                    "NonKeyAttributes": list(index.fields),
                },
            }
            for each, index in indexes.items()
        ],
    )


def describe_keys(partition: str, order: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": order, "KeyType": "RANGE"},
    ]


def read_code(act: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as caught:
        act()
    return str(caught.value.response["Error"]["Code"])


class TableConformance:
    """Subclasses have a fixture `table`. A test's keys are its own: the table can be shared."""

    @pytest.fixture
    def pk(self) -> str:
        return f"PK#{secrets.token_hex(6)}"

    @pytest.fixture
    def key(self, pk: str) -> Key:
        return Key(pk, "one")

    @pytest.fixture
    def fill(self, table: Table, pk: str) -> Callable[..., None]:
        def put_all(*sks: str, **item: Any) -> None:
            for sk in sks:
                table.write(Put(Key(pk, sk), item))

        return put_all

    def test_an_item_comes_back_as_it_was_put(self, table: Table, key: Key) -> None:
        assert table.get(key) is None
        table.write(Put(key, VALUES))
        assert table.get(key) == {**key._asdict(), **VALUES}
        table.write(Put(key, {"n": (1, 2)}))
        assert table.get(key) == {**key._asdict(), "n": [1, 2]}
        table.write(Delete(key))
        table.write(Delete(key))
        assert table.get(key) is None

    @pytest.mark.parametrize(("put", "got"), [(2.0, 2), (-0.0, 0), (1e22, 10**22), (0.1, 0.1)])
    def test_numbers_have_one_spelling(
        self, table: Table, key: Key, put: float, got: int | float
    ) -> None:
        table.write(Put(key, {"n": put}))
        item = table.get(key)
        assert item
        assert (item["n"], type(item["n"])) == (got, type(got))

    @pytest.mark.parametrize("value", [10**38 + 1, 1e126, 1e-131, float("nan"), float("inf")])
    def test_numbers_out_of_range_are_refused(self, table: Table, key: Key, value: float) -> None:
        assert read_code(lambda: table.write(Put(key, {"n": value}))) == "ValidationException"

    def test_what_was_read_is_a_copy(self, table: Table, key: Key) -> None:
        item = {"list": [1]}
        table.write(Put(key, item))
        item["list"].append(2)
        read = table.get(key)
        assert read
        read["list"].append(3)
        assert table.get(key) == {**key._asdict(), "list": [1]}

    def test_a_partition_is_read_in_order(
        self, table: Table, pk: str, fill: Callable[..., None]
    ) -> None:
        fill("b#2", "a", "b#1", "é", "b#10", "b", "c", "B", "\U0001f6a2", "\uffff")
        everything = ["B", "a", "b", "b#1", "b#10", "b#2", "c", "é", "\uffff", "\U0001f6a2"]
        assert read_sks(table, pk, "") == everything
        assert read_sks(table, pk, "b#") == ["b#1", "b#10", "b#2"]
        assert read_sks(table, pk, "b#", limit=2) == ["b#1", "b#10"]
        assert read_sks(table, pk, "b#", limit=9) == ["b#1", "b#10", "b#2"]
        assert read_sks(table, pk, "b", up_to="b#10") == ["b", "b#1", "b#10"]
        assert read_sks(table, pk, "b#1", up_to="b#1") == ["b#1"]
        assert read_sks(table, pk, "x") == []
        assert read_sks(table, f"{pk}x", "") == []
        assert table.count(pk, "") == len(everything)
        assert table.count(pk, "b#") == 3
        assert table.count(pk, "b", up_to="b#10") == 3

    @pytest.mark.parametrize(("prefix", "up_to"), [("b", "a"), ("", "a")])
    def test_bounds_that_hold_nothing_are_refused(
        self, table: Table, pk: str, prefix: str, up_to: str
    ) -> None:
        read = table.query(pk, prefix, up_to=up_to)
        assert read_code(lambda: next(read)) == "ValidationException"

    def test_a_page_holds_a_megabyte(
        self, table: Table, pk: str, fill: Callable[..., None]
    ) -> None:
        sks = ["1", "2", "3", "4"]
        fill(*sks, text="x" * 390_000)
        assert read_sks(table, pk, "") == sks
        assert table.count(pk, "") == 4
        assert read_sks(table, pk, "", limit=4) == ["1", "2"]

    @pytest.mark.parametrize(
        ("rule", "met"),
        [
            (Absent(), False),
            (Present(), True),
            (Equals("n", 5), True),
            (Equals("n", 6), False),
            (Equals("n", "5"), False),
            (Equals("t", "text"), True),
            (Equals("t", "tex"), False),
            (Equals("flag", 1), False),
            (Equals("nothing", 5), False),
            (Equals("half", 1), False),
            (Equals("pk", "elsewhere"), False),
            (Below("n", "more"), True),
            (Below("more", "n"), False),
            (Below("n", "n"), False),
            (Below("half", "n"), True),
            (Below("n", "nothing"), False),
            (Below("nothing", "n"), False),
            (Below("n", "t"), False),
            (Below("s", "t"), True),
            (Below("no", "flag"), False),
            (AtMost("n", 5), True),
            (AtMost("n", 4), False),
            (AtMost("half", 1), True),
            (AtMost("nothing", 5), False),
            (AtMost("t", 5), False),
            (AtMost("flag", 1), False),
            (Unset("nothing"), True),
            (Unset("n"), False),
            (Unset("null"), False),
            (Unset("pk"), False),
        ],
    )
    def test_conditions_on_an_item(
        self, table: Table, key: Key, rule: Condition, met: bool
    ) -> None:
        item = {"n": 5, "more": 10, "half": 0.5, "t": "text", "s": "tex", "flag": True, "no": False}
        table.write(Put(key, item | {"null": None}))
        write = Update(key, {"seen": 1}, {}, conditions=[rule])
        assert try_to(table, write) == ([] if met else [write])
        kept = table.get(key)
        assert kept
        assert ("seen" in kept) == met

    @pytest.mark.parametrize(
        ("rule", "met"),
        [
            (Absent(), True),
            (Present(), False),
            (Equals("n", 5), False),
            (Below("n", "more"), False),
            (Unset("n"), True),
        ],
    )
    @pytest.mark.parametrize("verb", ["put", "update", "delete"])
    def test_conditions_on_no_item(
        self, table: Table, key: Key, rule: Condition, met: bool, verb: str
    ) -> None:
        writes: dict[str, Write] = {
            "put": Put(key, {"n": 1}, [rule]),
            "update": Update(key, {"n": 1}, {}, conditions=[rule]),
            "delete": Delete(key, [rule]),
        }
        write = writes[verb]
        assert try_to(table, write) == ([] if met else [write])
        assert (table.get(key) is not None) == (met and verb != "delete")

    def test_all_conditions_must_hold(self, table: Table, key: Key) -> None:
        table.write(Put(key, {"n": 5, "t": "x"}))
        both = [Equals("n", 5), Equals("t", "x")]
        assert try_to(table, Update(key, {"a": 1}, {}, conditions=both)) == []
        for wrong in ([both[0], Equals("t", "y")], [Equals("n", 4), both[1]]):
            write = Update(key, {"a": 2}, {}, conditions=wrong)
            assert try_to(table, write) == [write]

    def test_a_transaction_is_all_or_nothing(
        self, table: Table, pk: str, fill: Callable[..., None]
    ) -> None:
        fill("one", "two", n=1)
        writes: list[Write] = [
            Put(Key(pk, "new"), {}, [Absent()]),
            Update(Key(pk, "one"), {"n": 2}, {}, conditions=[Equals("n", 9)]),
            Delete(Key(pk, "two")),
            Delete(Key(pk, "none"), [Present()]),
        ]
        assert try_to(table, *writes) == [writes[1], writes[3]]
        assert read_sks(table, pk, "") == ["one", "two"]
        assert try_to(table, *writes[::2]) == []
        assert read_sks(table, pk, "") == ["new", "one"]

    def test_add_counts_from_nothing(self, table: Table, key: Key) -> None:
        table.write(Update(key, {}, {"a": 3, "b": -1}))
        table.write(Update(key, {"t": "x"}, {"a": 4}))
        assert table.get(key) == {**key._asdict(), "a": 7, "b": -1, "t": "x"}

    def test_add_to_what_is_no_number_changes_nothing(
        self, table: Table, pk: str, key: Key
    ) -> None:
        table.write(Put(key, {"t": "x"}))
        wrong = Update(key, {"n": 1}, {"t": 1})
        assert read_code(lambda: table.write(wrong)) == "ValidationException"
        other = Update(Key(pk, "other"), {}, {"n": 1})
        assert read_code(lambda: table.write(wrong, other)) == "TransactionCanceledException"
        refused = Update(Key(pk, "other"), {}, {"n": 1}, conditions=[Present()])
        assert try_to(table, wrong, refused) == [refused]
        assert list(table.query(pk, "")) == [{**key._asdict(), "t": "x"}]

    def test_an_update_creates_and_removes(self, table: Table, key: Key) -> None:
        table.write(Update(key, {"a": 1, "b": {"c": [1]}}, {}))
        table.write(Update(key, {"d": None}, {}, remove=["a", "nothing"]))
        assert table.get(key) == {**key._asdict(), "b": {"c": [1]}, "d": None}

    def test_removing_from_no_item_makes_an_empty_one(self, table: Table, key: Key) -> None:
        table.write(Update(key, {}, {}, remove=["a"]))
        assert table.get(key) == key._asdict()

    def test_an_update_answers_the_item(self, table: Table, key: Key) -> None:
        assert table.update(Update(key, {"a": 1}, {"n": 2})) == {**key._asdict(), "a": 1, "n": 2}
        assert table.update(Update(key, {}, {"n": -3}, remove=["a"])) == {**key._asdict(), "n": -1}
        write = Update(key, {"a": 1}, {}, conditions=[Equals("n", 5)])
        with pytest.raises(ConditionFailed) as caught:
            table.update(write)
        assert list(caught.value.writes) == [write]

    def test_what_is_done_already_is_no_refusal(self, table: Table, key: Key) -> None:
        """How the answer to a single write that was lost on the way is recognised."""
        put = Put(key, {"n": 1}, [Absent()])
        assert try_to(table, put) == try_to(table, put) == []
        claim = Update(key, {"owner": "me"}, {}, conditions=[Unset("owner")])
        assert try_to(table, claim) == []
        assert table.update(claim) == {**key._asdict(), "n": 1, "owner": "me"}
        other = Update(key, {"owner": "you"}, {}, conditions=[Unset("owner")])
        assert try_to(table, other) == [other]

    @pytest.mark.parametrize(
        "make",
        [lambda key: Put(key, {}), lambda key: Update(key, {"a": 1}, {}), Delete],
        ids=["put", "update", "delete"],
    )
    def test_a_transaction_writes_an_item_once(
        self, table: Table, key: Key, make: Callable[[Key], Write]
    ) -> None:
        first = Update(key, {"b": 1}, {})
        assert read_code(lambda: table.write(first, make(key))) == "ValidationException"
        assert table.get(key) is None

    def test_a_transaction_holds_a_hundred_items(self, table: Table, pk: str) -> None:
        writes = [Put(Key(pk, f"{number:03}"), {}) for number in range(101)]
        assert read_code(lambda: table.write(*writes)) == "ValidationException"
        assert table.count(pk, "") == 0
        table.write(*writes[:100])
        assert table.count(pk, "") == 100
        with pytest.raises(ParamValidationError):
            table.write()

    def test_an_item_holds_400_kilobytes(self, table: Table, pk: str, key: Key) -> None:
        room = 400 * 1024 - len("pksktext" + key.pk + key.sk)
        table.write(Put(key, {"text": "x" * room}))
        over = "x" * (room + 1)
        other = Update(Key(pk, "other"), {}, {"n": 1})
        assert read_code(lambda: table.write(Put(key, {"text": over}))) == "ValidationException"
        put, update = Put(key, {"text": over}), Update(key, {"a": ""}, {})
        assert read_code(lambda: table.write(other, put)) == "ValidationException"
        assert read_code(lambda: table.write(update)) == "ValidationException"
        assert read_code(lambda: table.write(other, update)) == "TransactionCanceledException"
        assert read_sks(table, pk, "") == [key.sk]

    @pytest.mark.parametrize(
        ("item", "size"),
        [
            ({"n": 12345, "m": -678.5, "l": [1, None], "d": {"k": {"v": "é"}}, "z": 0}, 35),
            ({"l": [{"a": -0.001}] * 50, "n": 1e25, "m": 123456789012345.6}, 468),
        ],
    )
    def test_size_counts_names_and_values(
        self, table: Table, pk: str, item: Item, size: int
    ) -> None:
        def fits(text: str) -> bool:
            try:
                table.write(Put(Key(pk, "one"), {**item, "t": text}))
            except ClientError:
                return False
            return True

        room = 400 * 1024 - size - len("pkskt" + pk + "one")
        assert fits("x" * room)
        assert not fits("x" * (room + 1))

    @pytest.mark.parametrize(
        "make",
        [
            lambda pk: Put(Key(pk, ""), {}),
            lambda pk: Put(Key("", "x"), {}),
            lambda pk: Put(Key(pk, "x" * 1025), {}),
            lambda pk: Put(Key(pk + "x" * 2048, "x"), {}),
            lambda pk: Update(Key(pk, "x"), {}, {}),
            lambda pk: Update(Key(pk, "x"), {"pk": "y"}, {}),
            lambda pk: Update(Key(pk, "x"), {"a-b": 1}, {}),
            lambda pk: Update(Key(pk, "x"), {}, {"error_a.b": 1}),
            lambda pk: Put(Key(pk, "x"), {"lease_shard": None}),
            lambda pk: Put(Key(pk, "x"), {"lease_shard": ""}),
            lambda pk: Put(Key(pk, "x"), {"lease_expires_at": 5}),
            lambda pk: Update(Key(pk, "x"), {"lease_expires_at": 5}, {}),
            lambda pk: Update(Key(pk, "x"), {"lease_expires_at": ""}, {}),
        ],
    )
    def test_a_request_that_breaks_a_rule_is_refused(
        self, table: Table, pk: str, make: Callable[[str], Write]
    ) -> None:
        assert read_code(lambda: table.write(make(pk))) == "ValidationException"
        assert table.count(pk, "") == 0

    def test_a_value_that_is_not_json_is_refused(self, table: Table, key: Key) -> None:
        with pytest.raises(TypeError, match="set is not a JSON value"):
            table.write(Put(key, {"a": {1}}))

    def test_an_index_holds_items_with_both_keys(
        self, table: Table, pk: str, fill: Callable[..., None]
    ) -> None:
        fill("none", status="queued")
        fill("half", lease_shard=pk)
        fill("other", lease_expires_at="1")
        fill("both", lease_shard=pk, lease_expires_at="2", status="running", secret="x")
        both = {"pk": pk, "sk": "both", "lease_shard": pk, "lease_expires_at": "2"}
        found = table.query_index(LEASES, pk, limit=10)
        assert found == ([both | {"status": "running"}], None)
        table.write(Update(Key(pk, "both"), {"lease_expires_at": "3", "epoch": 4}, {}))
        changed = both | {"status": "running", "lease_expires_at": "3", "epoch": 4}
        assert table.query_index(LEASES, pk, limit=10).items == [changed]
        table.write(Update(Key(pk, "both"), {}, {}, remove=["lease_shard"]))
        assert table.query_index(LEASES, pk, limit=10) == ([], None)

    def test_an_index_is_read_in_pages(self, table: Table, pk: str) -> None:
        for number in range(7):
            item = {"lease_shard": pk, "lease_expires_at": f"{number}"}
            table.write(Put(Key(pk, f"{9 - number}"), item))
        assert read_order(table, pk, limit=10) == [list("0123456")]
        assert read_order(table, pk, limit=3) == [list("012"), list("345"), ["6"]]
        assert read_order(table, pk, limit=7) == [list("0123456"), []]
        assert read_order(table, pk, limit=5, newest_first=True) == [
            list("65432"),
            list("10"),
        ]
        assert read_order(table, pk, limit=3, below="5") == [list("012"), list("34")]
        between = {"between": ("2", "5"), "newest_first": True}
        assert read_order(table, pk, limit=3, **between) == [list("543"), ["2"]]
        assert read_order(table, pk, limit=3, between=("55", "56")) == [[]]
        page = table.query_index(LEASES, pk, limit=2)
        last = {"pk": pk, "sk": "8", "lease_shard": pk, "lease_expires_at": "1"}
        assert page.last_key == last
        table.write(Delete(Key(pk, "8")))
        rest = table.query_index(LEASES, pk, limit=2, start=last).items
        assert [item["lease_expires_at"] for item in rest] == ["2", "3"]

    def test_a_partition_is_read_in_pages_from_its_end(
        self, table: Table, pk: str, fill: Callable[..., None]
    ) -> None:
        for number in range(5):
            fill(f"A#{number}", n=number)
        fill("B#0")
        first = table.query_newest(pk, "A#", limit=2)
        assert [item["n"] for item in first.items] == [4, 3]
        assert first.last_key == {"pk": pk, "sk": "A#3"}
        fill("A#5", n=5)
        rest = table.query_newest(pk, "A#", limit=5, start=first.last_key)
        assert ([item["n"] for item in rest.items], rest.last_key) == ([2, 1, 0], None)
        assert [item["sk"] for item in table.query_newest(pk, "", limit=1).items] == ["B#0"]


def read_sks(table: Table, pk: str, prefix: str, **bounds: Any) -> list[str]:
    return [item["sk"] for item in table.query(pk, prefix, **bounds)]


def try_to(table: Table, *writes: Write) -> list[Write]:
    """The writes that were refused."""
    try:
        table.write(*writes)
    except ConditionFailed as refusal:
        return list(refusal.writes)
    return []


def read_order(table: Table, partition: str, **asked: Any) -> list[list[str]]:
    """`lease_expires_at` of each item of each page."""
    pages, start = [], None
    while True:
        page = table.query_index(LEASES, partition, start=start, **asked)
        pages.append([item["lease_expires_at"] for item in page.items])
        start = page.last_key
        if start is None:
            return pages
