"""Secrets that a run has read, and their removal from whatever it says."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SHORTEST_SECRET = 8
"""Anything shorter is no key but a word, such as `ollama`, and texts may hold it."""


class SecretsInUse:
    """Reads secrets, and remembers their values so that no message carries one."""

    def __init__(self, read_secret: Callable[[str], str]) -> None:
        self._read_secret = read_secret
        self._names: dict[str, str] = {}

    def read(self, name: str) -> str:
        """The secret without the white space around it."""
        value = self._read_secret(name).strip()
        if len(value) >= SHORTEST_SECRET:
            self._names |= {value: name, json.dumps(value)[1:-1]: name}
        return value

    def scrub(self, text: str) -> str:
        """`text` with each value that was read replaced by `[secret NAME]`."""
        for value in sorted(self._names, key=len, reverse=True):
            text = text.replace(value, f"[secret {self._names[value]}]")
        return text

    @contextmanager
    def keep_out_of_logs(self) -> Iterator[None]:
        """While open, what reaches the root logger's handlers is scrubbed: providers log errors."""
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
