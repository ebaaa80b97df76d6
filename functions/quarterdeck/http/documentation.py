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


def describe_answers(
    model: type[BaseModel] | None,
    *problems: int,
    status: int = 200,
    work: bool = False,
    etag: bool = False,
) -> dict[int, Any]:
    """`status` with `model` (of work, 202 until done), 401 as the gateway says it, problems.

    `etag`: 304 for whoever has the answer.
    """
    content = {"application/json": {"model": model}} if model else {}
    answers: dict[int, Any] = {
        status: {"description": "Done", "content": content},
        401: {
            "description": "No key, as the gateway says it",
            "content": {"application/json": {"schema": GATEWAY_SCHEMA}},
        },
    }
    if work:
        answers[202] = answers[status] | {"description": "Accepted: it is not done yet"}
    if etag:
        answers[304] = {"description": "As If-None-Match says: it is known"}
    for problem in sorted({*EVERYWHERE, *problems}):
        answers[problem] = {
            "description": HTTPStatus(problem).phrase,
            "content": {PROBLEM_JSON: {"schema": PROBLEM_SCHEMA}},
        }
    return answers
