"""What a route may answer, for the OpenAPI document."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from quarterdeck.http.problems import PROBLEM_JSON

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "rule"],
                "properties": {"field": {"type": "string"}, "rule": {"type": "string"}},
            },
        },
    },
}
GATEWAY_SCHEMA = {"type": "object", "properties": {"message": {"type": "string"}}}
EVERYWHERE = (403, 405, 413, 422, 500, 503)


def describe_answers(model: type[BaseModel], *problems: int, work: bool = False) -> dict[int, Any]:
    """200 (of work, 202 until it is done) with `model`, 401 as the gateway says it, problems."""
    answers: dict[int, Any] = {
        200: {"description": "Done", "content": {"application/json": {"model": model}}},
        401: {
            "description": "No key, as the gateway says it",
            "content": {"application/json": {"schema": GATEWAY_SCHEMA}},
        },
    }
    if work:
        answers[202] = answers[200] | {"description": "Accepted: see Location"}
    for status in sorted({*EVERYWHERE, *problems}):
        answers[status] = {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM_JSON: {"schema": PROBLEM_SCHEMA}},
        }
    return answers
