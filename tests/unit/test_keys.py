"""Keys over the API: what is shown of them, what they grant, and who may make them."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from quarterdeck.http.services import Services
from quarterdeck.identity.keys import digest_key
from quarterdeck.identity.principal import ADMIN, ALL_SCOPES, Principal
from quarterdeck.names import parse_time, read_clock
from tests import systems
from tests.api_calls import call, read_items

FIELDS = {"key_id", "name", "start", "scopes", "created_at", "created_by", "expires_at"}


@pytest.fixture
def system_id(services: Services) -> str:
    system_id: str = call("POST", "/crews", systems.system()).json["system_id"]
    return system_id


def make_key(**request: Any) -> Any:
    answer = call("POST", "/keys", {"name": "reader", "scopes": ["read"]} | request)
    assert answer.status == 201, answer.json
    return answer.json


def test_a_key_is_shown_once(services: Services) -> None:
    answer = call("POST", "/keys", {"name": "reader", "scopes": ["read"]})
    assert (answer.status, answer.headers["Cache-Control"]) == (201, "no-store")
    key = answer.json["key"]
    assert re.fullmatch(r"qd_[0-9a-f]{64}", key)
    assert set(answer.json) == FIELDS | {"key"}
    listed = call("GET", "/keys").json
    assert listed == {"keys": [{k: v for k, v in answer.json.items() if k != "key"}]}
    assert listed["keys"][0]["start"] == key[:11]
    assert digest_key(key) not in json.dumps(listed)
    assert key not in str(read_items())


def test_a_key_is_what_was_asked_for(services: Services, system_id: str) -> None:
    made = make_key(scopes=["run", "read", "run"], systems=[system_id, system_id])
    principal = services.keys.find(digest_key(made["key"]), read_clock())
    assert principal == Principal(
        key_id=made["key_id"], name="reader", scopes=("read", "run"), systems=(system_id,)
    )
    assert (made["scopes"], made["systems"]) == (["read", "run"], [system_id])


@pytest.mark.parametrize(("asked", "days"), [({}, 90), ({"expires_in_days": 1}, 1)])
def test_a_key_ends_by_time(services: Services, asked: dict[str, int], days: int) -> None:
    made = make_key(**asked)
    created, expires = parse_time(made["created_at"]), parse_time(made["expires_at"])
    assert timedelta(0) <= created + timedelta(days=days) - expires < timedelta(seconds=1)
    digest = digest_key(made["key"])
    assert services.keys.find(digest, expires - timedelta(seconds=1))
    assert services.keys.find(digest, expires) is None
    assert {"N": f"{expires.timestamp():.0f}"} in [item.get("expires_at") for item in read_items()]


def test_a_key_may_have_no_end(services: Services) -> None:
    made = make_key(expires_in_days=None)
    assert "expires_at" not in made
    assert services.keys.find(digest_key(made["key"]), read_clock() + timedelta(days=36_500))
    assert not [item for item in read_items() if "expires_at" in item]


def test_keys_are_listed_newest_first_in_pages(services: Services) -> None:
    made = [make_key(name=f"key-{number}")["key_id"] for number in range(5)]
    seen: list[str] = []
    query = {"limit": "2"}
    while True:
        page = call("GET", "/keys", query=query).json
        seen += [key["key_id"] for key in page["keys"]]
        if "next_cursor" not in page:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == sorted(made, reverse=True)
    assert call("GET", "/crews", query={"cursor": query["cursor"]}).status == 422


def test_a_revoked_key_is_gone(services: Services) -> None:
    kept, made = make_key(name="kept"), make_key()
    before = read_items()
    answer = call("DELETE", f"/keys/{made['key_id']}")
    assert (answer.status, answer.json) == (204, None)
    assert services.keys.find(digest_key(made["key"]), read_clock()) is None
    assert [key["key_id"] for key in call("GET", "/keys").json["keys"]] == [kept["key_id"]]
    assert len(before) - len(read_items()) == 2
    again = call("DELETE", f"/keys/{made['key_id']}")
    assert again.status == 404
    assert again.faults == {"key_id": f"there is no key '{made['key_id']}'"}


def test_no_key_grants_a_scope_that_it_lacks(services: Services) -> None:
    clerk = Principal(key_id="0123", name="clerk", scopes=("read", "admin"))
    asked = {"name": "x", "scopes": ["read", "run", "operate"]}
    answer = call("POST", "/keys", asked, principal=clerk)
    assert answer.status == 403
    assert answer.json["detail"] == "a key grants no scope that it lacks: run, operate"
    assert read_items() == []
    made = call("POST", "/keys", asked | {"scopes": ["admin"]}, principal=clerk)
    assert (made.status, made.json["created_by"]) == (201, "0123")
    assert make_key()["created_by"] == "admin"


FAULTY_KEYS = [
    ({"name": None}, "name", "Input should be a valid string"),
    ({"name": "n" * 41}, "name", "String should match pattern '^[a-z][a-z0-9-]{0,39}$'"),
    ({"scopes": []}, "scopes", "Tuple should have at least 1 item"),
    ({"scopes": "read"}, "scopes", "must be a list"),
    ({"scopes": ["write"]}, "scopes[0]", "Input should be 'read', 'run', 'operate' or 'admin'"),
    ({"systems": []}, "systems", "Tuple should have at least 1 item"),
    ({"systems": ["x"] * 51}, "systems", "Tuple should have at most 50 items"),
    ({"systems": ["nowhere"]}, "systems[0]", "there is no system 'nowhere'"),
    ({"systems": ["A#b"]}, "systems[0]", "String should match pattern"),
    ({"expires_in_days": 0}, "expires_in_days", "Input should be greater than or equal to 1"),
    ({"expires_in_days": -1}, "expires_in_days", "Input should be greater than or equal to 1"),
    ({"expires_in_days": 3651}, "expires_in_days", "Input should be less than or equal to 3650"),
    ({"expires_in_days": "9"}, "expires_in_days", "Input should be a valid integer"),
    ({"expires_at": "2026-11-23"}, "expires_at", "is not a field of this object"),
    ({"key": "mine"}, "key", "is not a field of this object"),
]


@pytest.mark.parametrize(("change", "field", "rule"), FAULTY_KEYS)
def test_a_faulty_key_is_refused(
    services: Services, change: dict[str, Any], field: str, rule: str
) -> None:
    answer = call("POST", "/keys", {"name": "reader", "scopes": ["read"]} | change)
    assert answer.status == 422
    assert answer.faults[field].startswith(rule)
    assert read_items() == []


def test_every_missing_field_and_system_is_named(services: Services, system_id: str) -> None:
    assert set(call("POST", "/keys", {}).faults) == {"name", "scopes"}
    asked = {"name": "x", "scopes": ["read"], "systems": ["one", system_id, "two"]}
    assert set(call("POST", "/keys", asked).faults) == {"systems[0]", "systems[2]"}


def test_the_first_admin_key_has_every_scope() -> None:
    assert (ADMIN.scopes, ADMIN.systems, ADMIN.key_id) == (ALL_SCOPES, None, None)
