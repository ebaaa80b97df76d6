"""A client of the API as a user has it: HTTP and JSON, nothing of the service's code."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any, NamedTuple


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    """By lower-case name."""
    json: Any
    """None when the body is empty, the text when it is not JSON."""


@dataclass(frozen=True)
class Api:
    url: str
    key: str | None

    def get(self, path: str, headers: Mapping[str, str] = {}) -> Answer:
        return self.send("GET", path, None, headers)

    def post(self, path: str, body: Any = None, headers: Mapping[str, str] = {}) -> Answer:
        return self.send("POST", path, body, headers)

    def send(self, method: str, path: str, body: Any, headers: Mapping[str, str] = {}) -> Answer:
        """Whatever the status. Bytes are sent as they are, anything else as JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if data is not None else {}
        if self.key is not None:
            sent["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(self.url + path, data, {**sent, **headers}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return read_answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return read_answer(refusal.code, refusal.headers, refusal.read())


def read_answer(status: int, headers: Message, body: bytes) -> Answer:
    named = {name.lower(): value for name, value in headers.items()}
    try:
        return Answer(status, named, json.loads(body) if body else None)
    except ValueError:
        return Answer(status, named, body.decode(errors="replace"))
