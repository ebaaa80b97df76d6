"""`Idempotency-Key`: a route that makes something makes it once."""

import json
from collections.abc import Callable
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Header
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from quarterdeck.errors import QuarterdeckError
from quarterdeck.http.access import principal_of, services_of
from quarterdeck.idempotency import HEADER, Once
from quarterdeck.names import read_clock
from quarterdeck.table import ConditionFailed, Item

LONGEST_KEY = 255
REPLAYED = {"Idempotent-Replayed": "true"}

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias=HEADER,
        min_length=1,
        max_length=LONGEST_KEY,
        description="A name for this request: sent again with it within a day, nothing is done "
        "again, and the answer is about what was made then. 422 if it asks something else.",
    ),
]


def do_once[R](
    router: APIGatewayHttpRouter,
    key: str | None,
    act: Callable[[Once | None], R],
    recall: Callable[[Item], R],
) -> tuple[R, dict[str, str]]:
    """What `act` makes, or made for an earlier request of this key, with headers that say so.

    `act` writes what it makes with the key's item; `recall` reads it by what is kept there.
    """
    if key is None:
        return act(None), {}
    once, table = read_once(router, key), services_of(router).table
    if (made := once.find(table, read_clock())) is not None:
        return recall(made), REPLAYED
    try:
        return act(once), {}
    except (ConditionFailed, QuarterdeckError):
        # The same request at the same time may have been faster.
        if (made := once.find(table, read_clock())) is None:
            raise
        return recall(made), REPLAYED


def read_once(router: APIGatewayHttpRouter, key: str) -> Once:
    event = router.current_event
    asked: list[Any] = [json.loads(event.body or "null"), event.query_string_parameters]
    return Once(
        principal_of(router).mark,
        f"{event.http_method} {event.path}",
        key,
        json.dumps(asked, sort_keys=True),
    )
