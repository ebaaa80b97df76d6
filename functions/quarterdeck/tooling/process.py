"""The process that tools run in: without credentials, and ended when a tool takes too long."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any, NamedTuple

PASSED_ON = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "SSL_CERT_FILE", "TMPDIR", "TZ")
"""All that a tool sees of the function's variables: those of AWS hold the role's credentials."""
LONGEST_OUTPUT = 20_000


class ToolTimedOut(Exception):
    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:g} s; whether the tool acted is not known")


class ToolDied(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(
            f"the tool ended its process (exit code {code}); whether it acted is not known"
        )


class Started(NamedTuple):
    process: subprocess.Popen[bytes]
    connection: "Connection[Any, Any]"


class ToolProcess:
    """Serves one request after the other; after a timeout or a death, the next has a new one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the process lives)
        self._started: Started | None = None

    def ask(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """What the process answers; ToolTimedOut or ToolDied."""
        with self._lock:
            started = self._find_started()
            try:
                started.connection.send_bytes(json.dumps(request).encode())
                if started.connection.poll(seconds):
                    answer: dict[str, Any] = json.loads(started.connection.recv_bytes())
                    return answer
            except (EOFError, OSError):
                raise ToolDied(self._end(started)) from None
            self._end(started)
            raise ToolTimedOut(seconds)

    def take_output(self) -> str:
        """What was printed since it was last asked for, or the end of it."""
        with self._lock:
            size = self._printed.seek(0, os.SEEK_END)
            self._printed.seek(max(0, size - LONGEST_OUTPUT))
            text = self._printed.read().decode(errors="replace")
            self._printed.seek(0)
            self._printed.truncate()
            return text.strip()

    def close(self) -> None:
        """Ends it for good."""
        with self._lock:
            if self._started is not None:
                self._end(self._started)
            self._printed.close()

    def _find_started(self) -> Started:
        if self._started is not None and self._started.process.poll() is not None:
            self._end(self._started)
        if self._started is None:
            self._started = start_process(self._printed.fileno())
        return self._started

    def _end(self, started: Started) -> int:
        """Ends it and what it started; its exit code."""
        self._started = None
        # One that has died is about to be its parent's to know of.
        with suppress(subprocess.TimeoutExpired):
            started.process.wait(timeout=0.1)
        with suppress(ProcessLookupError):
            os.killpg(started.process.pid, signal.SIGKILL)
        started.connection.close()
        return started.process.wait()


def start_process(output: int) -> Started:
    ours, theirs = Pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "quarterdeck.tooling.child", str(theirs.fileno())],
        pass_fds=(theirs.fileno(),),
        env=choose_variables(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    theirs.close()
    return Started(process, ours)


def choose_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """For the process: the modules of this one, and nothing that a tool need not know."""
    kept = {name: variables[name] for name in PASSED_ON if name in variables}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUNBUFFERED": "1"}
