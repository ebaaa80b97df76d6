"""Opaque cursors: where a list goes on, signed, and good for that list alone."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query

from quarterdeck.errors import FieldError, InvalidInput
from quarterdeck.table import Item

Limit = Annotated[int, Query(ge=1, le=200, description="Entries a page.")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before.")]
PAGE_SIZE = 50
DIGEST_BYTES = 16


class CursorSigner:
    def __init__(self, read_key: Callable[[], str]) -> None:
        self.read_key = read_key

    def write(self, list_name: str, last_key: Item | None) -> str | None:
        if last_key is None:
            return None
        payload = json.dumps(last_key, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._sign(list_name, payload) + payload).decode()

    def read(self, list_name: str, cursor: str | None) -> Item | None:
        """InvalidInput for a cursor that this API did not write for this list."""
        if cursor is None:
            return None
        try:
            content = base64.urlsafe_b64decode(cursor)
        except ValueError:
            content = b""
        signature, payload = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
        if not hmac.compare_digest(signature, self._sign(list_name, payload)):
            raise InvalidInput([FieldError("cursor", "is not a cursor of this list")])
        last_key: dict[str, Any] = json.loads(payload)
        return last_key

    def _sign(self, list_name: str, payload: bytes) -> bytes:
        message = list_name.encode() + b"\0" + payload
        return hmac.digest(self.read_key().encode(), message, hashlib.sha256)[:DIGEST_BYTES]
