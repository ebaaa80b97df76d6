"""The lines that `make up` prints, run as they are against a server that notes what they ask."""

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.local.curl import make_curl_lines

KEY = "a'b\"c$d"


class Echo(BaseHTTPRequestHandler):
    """Answers every request with ids, and remembers it."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(body)

    def do_GET(self) -> None:
        self.answer(None)

    def answer(self, body: Any) -> None:
        asked: list[Any] = self.server.asked  # type: ignore[attr-defined]
        asked.append((self.command, self.path, self.headers["Authorization"], body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status":"active","system_id":"s-1","task_id": "t-2","x":{"y":1}}')

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture
def echo() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        server.asked = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_lines_work_one_after_the_other(echo: ThreadingHTTPServer, tmp_path: Path) -> None:
    directory = tmp_path / "with space"
    directory.mkdir()
    system, task = directory / "system.json", directory / "task.json"
    system.write_text('{"name": "desk"}')
    task.write_text('{"crew_name": "research"}')
    url = f"http://127.0.0.1:{echo.server_port}/$default"
    script = "\n".join(make_curl_lines(url, KEY, system, task))
    done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True)
    assert echo.asked == [  # type: ignore[attr-defined]
        ("POST", "/$default/crews", f"Bearer {KEY}", {"name": "desk"}),
        ("POST", "/$default/crews/s-1/tasks", f"Bearer {KEY}", {"crew_name": "research"}),
        ("GET", "/$default/crews/s-1/tasks/t-2", f"Bearer {KEY}", None),
    ]
    assert json.loads(done.stdout)["status"] == "active"
    assert done.stderr.count('"status":"active"') == 2
