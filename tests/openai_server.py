"""A local server with OpenAI's chat completions and embeddings: what tests give to agents."""

import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from quarterdeck.execution.word_vectors import embed_words

type Body = dict[str, Any]
type Message = dict[str, Any]

PROMPT_TOKENS = 100
COMPLETION_TOKENS = 20
EMBEDDING_TOKENS = 7
SAMPLES: dict[str, Any] = {"integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}}


def answer_by_rule(body: Body) -> Message:
    """Calls the first tool that is offered, once; with its result, or without tools, answers.

    crewai offers `delegate_work_to_coworker` first to a manager, which so delegates once.
    """
    last = body["messages"][-1]
    if last["role"] == "tool":
        return {"role": "assistant", "content": f"As the tool says: {last['content']}"}
    if not body.get("tools"):
        return {"role": "assistant", "content": f"In short: {last['content'][:200]}"}
    return call_tool(body["tools"][0]["function"], last["content"])


def call_tool(function: dict[str, Any], text: str) -> Message:
    """A message that calls the function with arguments that fit its schema, `text` among them."""
    properties = function["parameters"].get("properties", {})
    arguments = {
        name: SAMPLES.get(schema.get("type", "string"), text) for name, schema in properties.items()
    }
    if "coworker" in arguments:
        arguments["coworker"] = _find_coworker(function["description"])
    call = {"name": function["name"], "arguments": json.dumps(arguments)}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
    }


class Refused(Exception):
    """What an `answer` raises to refuse a request; `retry_after` is the header, in seconds."""

    def __init__(self, status: HTTPStatus, retry_after: int) -> None:
        super().__init__(status.phrase)
        self.status = status
        self.retry_after = retry_after


class OpenAIServer:
    """Serves `url` while it is entered; keeps the bodies it got in `requests`.

    On a free port if none is given; OSError if the given one is in use.
    """

    def __init__(
        self, answer: Callable[[Body], Message] = answer_by_rule, *, port: int = 0
    ) -> None:
        self.answer = answer
        self.requests: list[Body] = []
        self.embedded: list[Body] = []
        self.refuse_embedding: HTTPStatus | None = None
        self._server = _Server(self, port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def complete(self, body: Body) -> dict[str, Any]:
        """The chat completion for a request."""
        self.requests.append(body)
        message = self.answer(body)
        return {
            "id": f"chatcmpl-{len(self.requests)}",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": body["model"],
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "finish_reason": "tool_calls" if message.get("tool_calls") else "stop",
                }
            ],
            "usage": {
                "prompt_tokens": PROMPT_TOKENS,
                "completion_tokens": COMPLETION_TOKENS,
                "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
            },
        }

    def embed(self, body: Body) -> dict[str, Any]:
        """Vectors by words, in no order."""
        self.embedded.append(body)
        vectors = [embed_words(text, body.get("dimensions", 128)) for text in body["input"]]
        return {
            "object": "list",
            "model": body["model"],
            "data": [
                {"object": "embedding", "index": index, "embedding": vector}
                for index, vector in reversed(list(enumerate(vectors)))
            ],
            "usage": {"prompt_tokens": EMBEDDING_TOKENS, "total_tokens": EMBEDDING_TOKENS},
        }


class _Server(ThreadingHTTPServer):
    def __init__(self, api: OpenAIServer, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.api = api


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        api = self.server.api
        if self.path.endswith("/embeddings") and api.refuse_embedding:
            self.send_error(api.refuse_embedding)
            return
        if self.path.endswith("/embeddings"):
            self._send(HTTPStatus.OK, api.embed(body))
        elif self.path.endswith("/chat/completions"):
            try:
                self._send(HTTPStatus.OK, api.complete(body))
            except Refused as refusal:
                said = {"error": {"message": str(refusal)}}
                self._send(refusal.status, said, {"Retry-After": str(refusal.retry_after)})
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _send(self, status: HTTPStatus, said: Any, headers: Mapping[str, str] = {}) -> None:
        answer = json.dumps(said).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keeps quiet."""


def _find_coworker(description: str) -> str:
    return description.partition("coworkers: ")[2].splitlines()[0].split(", ")[0]
