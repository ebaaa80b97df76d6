"""Keys, as the authorizer answers the gateway."""

import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

import authorizer
from quarterdeck.identity.keys import KeyStore, digest_key, read_bearer
from quarterdeck.identity.principal import ADMIN, Principal, unpack_principal
from quarterdeck.table import Put, Table, access_key


@pytest.fixture
def keys(aws: None) -> Iterator[KeyStore]:
    authorizer.load_keys.cache_clear()
    yield authorizer.load_keys()
    authorizer.load_keys.cache_clear()


def ask(header: str | None) -> dict[str, Any]:
    headers = {} if header is None else {"authorization": header}
    return authorizer.lambda_handler({"headers": headers}, None)  # type: ignore[arg-type]


def test_the_first_admin_key_comes_from_the_secret(keys: KeyStore) -> None:
    answer = ask("Bearer the admin-key")
    assert answer["isAuthorized"]
    assert unpack_principal(answer["context"]) == ADMIN


def test_a_key_of_the_table_is_its_principal(keys: KeyStore) -> None:
    reader = Principal(name="reader", scopes=("read",), systems=("one",))
    keys.put("s3cret", reader)
    assert unpack_principal(ask("bearer s3cret")["context"]) == reader
    assert "s3cret" not in str(boto3.client("dynamodb").scan(TableName="quarterdeck"))


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic the admin-key", "the admin-key"],
)
def test_anything_else_is_refused(keys: KeyStore, header: str | None) -> None:
    assert ask(header) == {"isAuthorized": False}


def test_an_expired_key_is_refused_before_the_table_drops_it(keys: KeyStore) -> None:
    table: Table = keys.table
    principal = Principal(name="old", scopes=("read",)).model_dump()
    expired = principal | {"expires_at": int(time.time()) - 1}
    table.write(Put(access_key(digest_key("old")), expired))
    assert ask("Bearer old") == {"isAuthorized": False}


def test_a_bearer_is_read_whatever_its_case() -> None:
    assert read_bearer("BEARER abc") == "abc"
