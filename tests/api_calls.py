"""Calls of the api's handler in this process, and what they leave in moto's table."""

import json
from types import SimpleNamespace
from typing import Any

import boto3

import api
from tests.events import http_event

CONTEXT: Any = SimpleNamespace(function_name="api", aws_request_id="1")


class Answer:
    def __init__(self, response: dict[str, Any]) -> None:
        self.status: int = response["statusCode"]
        self.headers: dict[str, str] = response["headers"]
        self.body: str = response["body"] or ""
        self.json: Any = json.loads(self.body or "null")

    @property
    def faults(self) -> dict[str, str]:
        """Rule by field, of a problem."""
        assert self.headers["Content-Type"] == "application/problem+json"
        return {entry["field"]: entry["rule"] for entry in self.json["errors"]}


def call(method: str, path: str, body: Any = None, **rest: Any) -> Answer:
    return Answer(api.lambda_handler(http_event(method, path, body, **rest), CONTEXT))


def read_items() -> list[Any]:
    return boto3.client("dynamodb").scan(TableName="quarterdeck")["Items"]
