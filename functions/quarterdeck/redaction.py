"""Secrets that a run has read, and their removal from whatever it says."""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO, cast
from urllib.parse import quote, quote_plus

SHORTEST_SECRET = 8
"""Anything shorter is no key but a word, such as `ollama`, and texts may hold it."""

BREAK = r"(?:[\s│]|\x1b\[[0-9;]*m)*"
"""What a panel puts where it breaks a line: white space, its border, colours."""


class SecretsInUse:
    """Reads secrets, and remembers their values so that no message carries one."""

    def __init__(self, read_secret: Callable[[str], str]) -> None:
        self._read_secret = read_secret
        self._names: dict[str, str] = {}

    def read(self, name: str) -> str:
        """The secret without the white space around it."""
        value = self._read_secret(name).strip()
        if len(value) >= SHORTEST_SECRET:
            spellings = (value, json.dumps(value)[1:-1], quote(value, safe=""), quote_plus(value))
            self._names |= dict.fromkeys(spellings, name)
        return value

    def scrub(self, text: str) -> str:
        """`text` with each value that was read replaced by `[secret NAME]`."""
        for value in sorted(self._names, key=len, reverse=True):
            text = text.replace(value, f"[secret {self._names[value]}]")
        return text

    def scrub_panel(self, text: str) -> str:
        """The same for what a verbose crew prints: panels break a value over several lines."""
        for value, name in self._names.items():
            letters = BREAK.join(re.escape(letter) for letter in value)
            text = re.sub(letters, f"[secret {name}]", text)
        return text

    @contextmanager
    def keep_out_of_logs(self) -> Iterator[None]:
        """While open, what reaches the root logger's handlers, stdout and stderr is scrubbed."""
        out = cast(TextIO, ScrubbedStream(sys.stdout, self))
        err = cast(TextIO, ScrubbedStream(sys.stderr, self))
        with self._guard_handlers(), redirect_stdout(out), redirect_stderr(err):
            yield

    @contextmanager
    def _guard_handlers(self) -> Iterator[None]:
        root = logging.getLogger()
        guarded = (root, *root.handlers)
        for place in guarded:
            place.addFilter(self._scrub_record)
        try:
            yield
        finally:
            for place in guarded:
                place.removeFilter(self._scrub_record)

    def _scrub_record(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if (clean := self.scrub(message)) != message:
            record.msg, record.args = clean, ()
        if record.exc_info:
            trace = logging.Formatter().formatException(record.exc_info)
            if (clean := self.scrub(trace)) != trace:
                record.exc_text, record.exc_info = clean, None
        return True


class ScrubbedStream:
    """A stream that passes on what is written to it, without secrets; all else is the stream's."""

    def __init__(self, stream: TextIO, secrets: SecretsInUse) -> None:
        self._stream = stream
        self._secrets = secrets

    def write(self, text: str) -> int:
        return self._stream.write(self._secrets.scrub_panel(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
