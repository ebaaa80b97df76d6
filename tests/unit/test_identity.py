"""Keys, as the authorizer answers the gateway."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

import authorizer
from quarterdeck.identity.authentication import Authenticator, read_bearer
from quarterdeck.identity.keys import KeyRequest, NewKey, digest_key, view_key
from quarterdeck.identity.principal import ADMIN, Principal, unpack_principal
from quarterdeck.keys import access_key, key_entry
from quarterdeck.names import format_time, read_clock
from quarterdeck.table import Put


@pytest.fixture
def authenticator(aws: None) -> Iterator[Authenticator]:
    authorizer.load_authenticator.cache_clear()
    yield authorizer.load_authenticator()
    authorizer.load_authenticator.cache_clear()


def make_key(authenticator: Authenticator, **rest: Any) -> NewKey:
    request = KeyRequest.model_validate({"name": "reader", "scopes": ["read"]} | rest)
    return authenticator.keys.create(request, ADMIN, read_clock())


def ask(header: str | None) -> dict[str, Any]:
    headers = {} if header is None else {"authorization": header}
    return authorizer.lambda_handler({"headers": headers}, None)  # type: ignore[arg-type]


def read_use(authenticator: Authenticator, key: NewKey) -> str | None:
    entry = authenticator.keys.table.get(key_entry(key.view.key_id))
    assert entry
    return view_key(entry).last_used_at


def test_the_first_admin_key_comes_from_the_secret(authenticator: Authenticator) -> None:
    answer = ask("Bearer the admin-key")
    assert answer["isAuthorized"]
    assert unpack_principal(answer["context"]) == ADMIN
    assert answer["context"]["key_id"] == "admin"


def test_a_key_of_the_table_is_its_principal(authenticator: Authenticator) -> None:
    key, view = make_key(authenticator, systems=["one"])
    context = ask(f"bearer {key}")["context"]
    assert unpack_principal(context) == Principal(
        key_id=view.key_id, name="reader", scopes=("read",), systems=("one",)
    )
    assert context["key_id"] == view.key_id
    assert key not in str(boto3.client("dynamodb").scan(TableName="quarterdeck"))


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic the admin-key", "the admin-key"],
)
def test_anything_else_is_refused(authenticator: Authenticator, header: str | None) -> None:
    assert ask(header) == {"isAuthorized": False}


def test_a_revoked_key_is_refused(authenticator: Authenticator) -> None:
    key, view = make_key(authenticator)
    assert ask(f"Bearer {key}")["isAuthorized"]
    authenticator.keys.revoke(view.key_id)
    assert ask(f"Bearer {key}") == {"isAuthorized": False}


def test_an_expired_key_is_refused_before_the_table_drops_it(authenticator: Authenticator) -> None:
    principal = Principal(key_id="1", name="old", scopes=("read",)).model_dump(exclude_none=True)
    now = int(read_clock().timestamp())
    for key, expires_at in (("old", now), ("new", now + 60)):
        item = principal | {"expires_at": expires_at}
        authenticator.keys.table.write(Put(access_key(digest_key(key)), item))
    assert ask("Bearer old") == {"isAuthorized": False}
    assert ask("Bearer new")["isAuthorized"]


def test_a_use_is_noted_once_an_hour(authenticator: Authenticator) -> None:
    key = make_key(authenticator)
    assert read_use(authenticator, key) is None
    first = read_clock() + timedelta(days=1)

    def use(now: datetime) -> str | None:
        authenticator.clock = lambda: now
        assert authenticator.identify(key.key)
        return read_use(authenticator, key)

    assert use(first) == format_time(first)
    assert use(first + timedelta(minutes=59)) == format_time(first)
    later = first + timedelta(hours=1)
    assert use(later) == format_time(later)


def test_a_use_brings_no_revoked_key_back(
    authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key(authenticator)
    table = authenticator.uses.table
    entry = table.get(key_entry(key.view.key_id))
    authenticator.keys.revoke(key.view.key_id)
    # Revoked between the note's read and its write.
    monkeypatch.setattr(table, "get", lambda _: entry)
    authenticator.uses.note(key.view.key_id, read_clock())
    assert boto3.client("dynamodb").scan(TableName="quarterdeck")["Items"] == []


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "AccessDeniedException"}}, "UpdateItem"),
        ReadTimeoutError(endpoint_url="https://dynamodb"),
    ],
)
def test_nobody_is_refused_because_a_use_cannot_be_noted(
    authenticator: Authenticator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    def fail(**_: Any) -> None:
        raise error

    key = make_key(authenticator)
    monkeypatch.setattr(authenticator.uses.table.client, "update_item", fail)
    assert ask(f"Bearer {key.key}")["isAuthorized"]
    assert "Could not note the use of a key" in caplog.text
    assert key.key not in caplog.text


def test_a_bearer_is_read_whatever_its_case() -> None:
    assert read_bearer("BEARER abc") == "abc"
