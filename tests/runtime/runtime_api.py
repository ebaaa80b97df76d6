"""Lambda's Runtime API for one process: hands events to awslambdaric, and takes the answers."""

import itertools
import json
import queue
import subprocess
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """What came back for an event: the handler's response, or the error awslambdaric reports."""

    body: Any
    failed: bool


class FunctionError(Exception):
    """A handler raised, its module did not load, or its process ended."""

    def __init__(self, type_: str, message: str, stack_trace: list[str]) -> None:
        super().__init__(f"{type_}: {message}", *stack_trace)
        self.type = type_
        self.message = message


class FunctionProcess:
    """A process under awslambdaric, from its start to its end; what it prints goes to `log`."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.log = log
        self._command = command
        self._environment = environment
        self._api = _RuntimeApi(environment["AWS_LAMBDA_FUNCTION_NAME"])

    def __enter__(self) -> Self:
        threading.Thread(target=self._api.serve_forever, args=(0.05,), daemon=True).start()
        address = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._api.server_port}"}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment | address, stdout=log, stderr=log
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._api.events.shutdown(immediate=True)
        self._api.shutdown()
        self._api.server_close()

    def invoke(self, event: object, timeout: float = 30) -> Any:
        """What the handler answers to the event within `timeout` seconds, else FunctionError."""
        deadline = time.time() + timeout
        self._api.events.put((json.dumps(event).encode(), deadline))
        while time.time() < deadline:
            # An answer can come just before the process ends: look for it after looking at that.
            status = self._process.poll()
            try:
                answer = self._api.answers.get(timeout=0.1)
            except queue.Empty:
                if status is not None:
                    raise self._fail("Runtime.ExitError", f"exit status {status}") from None
                continue
            if answer.failed:
                error = answer.body
                raise FunctionError(
                    error["errorType"], error["errorMessage"], error.get("stackTrace", [])
                )
            return answer.body
        self._process.kill()
        raise self._fail("Sandbox.Timedout", f"timed out after {timeout} seconds")

    def _fail(self, type_: str, message: str) -> FunctionError:
        return FunctionError(type_, message, self.log.read_text().splitlines()[-20:])


class _RuntimeApi(ThreadingHTTPServer):
    def __init__(self, function_name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.function_arn = f"arn:aws:lambda:eu-west-1:000000000000:function:{function_name}"
        self.request_ids = itertools.count(1)
        self.events: queue.Queue[tuple[bytes, float]] = queue.Queue()
        self.answers: queue.Queue[Answer] = queue.Queue()


class _Handler(BaseHTTPRequestHandler):
    server: _RuntimeApi
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Serves `invocation/next`, which waits for an event."""
        try:
            event, deadline = self.server.events.get()
        except queue.ShutDown:
            self.close_connection = True
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": f"request-{next(self.server.request_ids)}",
            "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self.server.function_arn,
        }
        self._send(HTTPStatus.OK, event, headers)

    def do_POST(self) -> None:
        """Takes `invocation/ID/response`, `invocation/ID/error` and `init/error`."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.answers.put(Answer(body, failed=self.path.endswith("/error")))
        self._send(HTTPStatus.ACCEPTED, b"{}", {})

    def _send(self, status: HTTPStatus, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        # Without a Content-Type awslambdaric crashes.
        common = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        for name, value in (headers | common).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keeps quiet."""
