"""A DynamoDB client whose calls fail as a network, a process or another transaction makes them."""

import secrets
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from tests.fake_dynamodb import cancel, refuse


class Crash(BaseException):
    """The process ends at this call."""


class Conflict(Exception):
    """From `before_write`: another transaction holds one of the items. Nothing is written."""


class LostAnswer(Exception):
    """From `after_write`: the answer is lost, and botocore sends the call again.

    A transaction has a token, so that it is done once. A single write has none: it is done again,
    and its condition meets its own effect.
    """


class Unreachable(Exception):
    """From either: botocore has given up. The caller cannot know whether it was written."""


class FaultyDynamoDB:
    """Calls `client`; the hooks see each call first, and may raise what is above."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.exceptions = client.exceptions
        self.before_read: Callable[[str, Any], None] = lambda operation, request: None
        self.before_write: Callable[[], None] = lambda: None
        self.after_write: Callable[[], None] = lambda: None

    def get_item(self, **request: Any) -> Any:
        self.before_read("get_item", request)
        return self.client.get_item(**request)

    def query(self, **request: Any) -> Any:
        self.before_read("query", request)
        return self.client.query(**request)

    def put_item(self, **request: Any) -> Any:
        return self._write_one(self.client.put_item, request)

    def update_item(self, **request: Any) -> Any:
        return self._write_one(self.client.update_item, request)

    def delete_item(self, **request: Any) -> Any:
        return self._write_one(self.client.delete_item, request)

    def _write_one(self, call: Callable[..., Any], request: Any) -> Any:
        try:
            self.before_write()
        except Conflict:
            raise refuse(self.exceptions.TransactionConflictException) from None
        return self._call(call, request)

    def transact_write_items(self, **request: Any) -> Any:
        try:
            self.before_write()
        except Conflict:
            others = ["None"] * (len(request["TransactItems"]) - 1)
            codes = ["TransactionConflict", *others]
            raise cancel(self.exceptions.TransactionCanceledException, codes) from None
        token = secrets.token_hex(16)
        return self._call(
            self.client.transact_write_items, {**request, "ClientRequestToken": token}
        )

    def _call(self, call: Callable[..., Any], request: Any) -> Any:
        answer = call(**request)
        try:
            self.after_write()
        except LostAnswer:
            try:
                return call(**request)
            except ClientError as error:
                # MiniStack compares the repeated transaction with one whose numbers it has since
                # put into plain digits; DynamoDB answers as it did the first time.
                if error.response["Error"]["Code"] != "IdempotentParameterMismatchException":
                    raise
        return answer
