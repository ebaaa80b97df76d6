"""`Idempotency-Key`: a route that makes something makes it once."""

import json
from collections.abc import Callable
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Header
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from quarterdeck.http.access import principal_of, services_of
from quarterdeck.idempotency import HEADER, Once, act_once
from quarterdeck.names import read_clock
from quarterdeck.table import Item

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
    """As `act_once`, which it is for a request with a key: headers say whether it was done then."""
    if key is None:
        return act(None), {}
    table = services_of(router).table
    made, replayed = act_once(table, read_once(router, key), read_clock, act, recall)
    return made, REPLAYED if replayed else {}


def read_once(router: APIGatewayHttpRouter, key: str) -> Once:
    event = router.current_event
    asked: list[Any] = [json.loads(event.body or "null"), event.query_string_parameters]
    return Once(
        principal_of(router).mark,
        f"{event.http_method} {event.path}",
        key,
        json.dumps(asked, sort_keys=True),
    )
