"""In-memory stand-ins for what the services are given."""

from typing import TYPE_CHECKING, cast

from quarterdeck.table import Item, Table, unmarshal_item
from tests.fake_dynamodb import FakeDynamoDB
from tests.faults import FaultyDynamoDB

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class FakeTable(Table):
    """The real one over DynamoDB in memory, whose calls fail as the hooks of `calls` say."""

    def __init__(self) -> None:
        self.dynamodb = FakeDynamoDB()
        self.calls = FaultyDynamoDB(self.dynamodb)
        super().__init__(cast("DynamoDBClient", self.calls), "quarterdeck")

    def dump(self) -> list[Item]:
        """All items, by key."""
        return [
            unmarshal_item(item)
            for _, items in sorted(self.dynamodb.items.items())
            for _, item in sorted(items.items())
        ]
