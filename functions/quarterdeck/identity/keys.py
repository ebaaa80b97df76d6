"""API keys: looked up by SHA-256, shown once, kept nowhere.

A key is two items of one transaction: what it grants, under its digest, and its entry in the list
of keys, which tells of it and grants nothing.
"""

import hashlib
import math
import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, Strict

from quarterdeck.errors import FieldError, NotFound
from quarterdeck.identity.principal import ALL_SCOPES, KeyScope, Principal
from quarterdeck.keys import EVERY_KEY, access_key, key_entry
from quarterdeck.names import LONGEST_ID, Id, Name, format_time, generate_timed_id, is_id
from quarterdeck.table import Absent, Delete, Item, Page, Put, Table

PREFIX = "qd_"
RANDOM_BYTES = 32
SHOWN_CHARACTERS = len(PREFIX) + 8


class KeyRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    scopes: tuple[KeyScope, ...] = Field(min_length=1, max_length=len(ALL_SCOPES))
    systems: tuple[Id, ...] | None = Field(default=None, min_length=1, max_length=50)
    """None: every system of the environment, also those to come."""
    expires_in_days: Annotated[int, Strict()] | None = Field(default=90, ge=1, le=3650)
    """None: never."""


class KeyView(BaseModel):
    """`start` is how the key begins, `created_by` the id of the key that made it, or `admin`.

    `last_used_at` can be an hour old.
    """

    key_id: str
    name: str
    start: str
    scopes: tuple[KeyScope, ...]
    systems: tuple[str, ...] | None = None
    created_at: str
    created_by: str
    expires_at: str | None = None
    last_used_at: str | None = None


class NewKey(NamedTuple):
    key: str
    view: KeyView


def generate_key() -> str:
    """256 random bits. Of letters and digits, so that scanners for leaked keys find its ends."""
    return f"{PREFIX}{secrets.token_hex(RANDOM_BYTES)}"


def digest_key(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def view_key(entry: Item) -> KeyView:
    """An entry of the list as its readers see it: without the digest, its end as a time."""
    seconds = entry.get("expires_at")
    expires = None if seconds is None else format_time(datetime.fromtimestamp(seconds, UTC))
    return KeyView.model_validate(entry | {"expires_at": expires})


class KeyStore:
    def __init__(self, table: Table) -> None:
        self.table = table

    def create(self, request: KeyRequest, maker: Principal, now: datetime) -> NewKey:
        """A key that nobody can read again."""
        key, days = generate_key(), request.expires_in_days
        principal = Principal(
            key_id=generate_timed_id(now),
            name=request.name,
            scopes=tuple(scope for scope in ALL_SCOPES if scope in request.scopes),
            systems=request.systems and tuple(dict.fromkeys(request.systems)),
        )
        granted = principal.model_dump(exclude_none=True)
        if days is not None:
            granted["expires_at"] = int((now + timedelta(days=days)).timestamp())
        shown = granted | {
            "start": key[:SHOWN_CHARACTERS],
            "created_at": format_time(now),
            "created_by": maker.mark,
        }
        digest = digest_key(key)
        self.table.write(
            Put(access_key(digest), granted, [Absent()]),
            Put(key_entry(granted["key_id"]), shown | {"digest": digest}, [Absent()]),
        )
        return NewKey(key, view_key(shown))

    def find(self, digest: str, now: datetime) -> Principal | None:
        """Whose key it is; None for an unknown or expired one."""
        item = self.table.get(access_key(digest))
        # The table removes an expired item only days later.
        if item is None or item.get("expires_at", math.inf) <= now.timestamp():
            return None
        return Principal.model_validate(item)

    def list_page(self, limit: int, start: Item | None) -> Page:
        """Entries of keys, newest first."""
        return self.table.query_newest(EVERY_KEY, "", limit=limit, start=start)

    def revoke(self, key_id: str) -> None:
        """NotFound if there is no such key, or no more."""
        entry = self.table.get(key_entry(key_id)) if is_id(key_id) else None
        if entry is None:
            rule = f"there is no key '{key_id[:LONGEST_ID]}'"
            raise NotFound(rule, [FieldError("key_id", rule)])
        self.table.write(Delete(access_key(entry["digest"])), Delete(key_entry(key_id)))
