"""A key's life over HTTP: made, used, refused what it lacks, revoked."""

import dataclasses
from typing import Any

from infra.local.api import Answer, Api
from tests import systems
from tests.emulated.main_job import deploy, submit, wait


def make_key(api: Api, **request: Any) -> tuple[Api, Any]:
    """A client with the new key, and what is told of it."""
    answer = api.post("/keys", request)
    assert answer.status == 201, answer
    return dataclasses.replace(api, key=answer.json["key"]), answer.json


def assert_problem(answer: Answer, status: int) -> None:
    assert (answer.status, answer.json["status"]) == (status, status), answer


def test_a_key_does_what_it_was_made_for(api: Api) -> None:
    ours, foreign = (deploy(api, systems.system(name)) for name in ("keyed", "locked"))
    runner, made = make_key(api, name="runner", scopes=["read", "run"], systems=[ours])
    task_id = submit(runner, ours, description="Ships follow a light.")
    assert wait(runner, ours, task_id)["status"] == "succeeded"
    assert [each["system_id"] for each in runner.get("/crews").json["systems"]] == [ours]
    assert_problem(runner.get(f"/crews/{foreign}"), 404)
    assert_problem(runner.post(f"/crews/{foreign}/tasks", {}), 404)
    assert_problem(runner.post("/crews", systems.system("mine")), 403)
    assert_problem(runner.get("/keys"), 403)
    listed = {each["key_id"]: each for each in api.get("/keys?limit=200").json["keys"]}
    shown = listed[made["key_id"]]
    assert shown["last_used_at"] >= made["created_at"]
    assert shown | {"key": made["key"]} == made | {"last_used_at": shown["last_used_at"]}


def test_a_revoked_key_is_refused_once_the_gateway_asks_again(api: Api) -> None:
    reader, made = make_key(api, name="reader", scopes=["read"])
    assert reader.get("/crews").status == 200
    assert api.send("DELETE", f"/keys/{made['key_id']}", None).status == 204
    # The gateway keeps its answer by the header as it was sent, for a minute.
    assert reader.get("/crews").status == 200
    respelled = {"Authorization": f"bearer {reader.key}"}
    assert reader.get("/crews", respelled).status == 403
    assert_problem(api.send("DELETE", f"/keys/{made['key_id']}", None), 404)


def test_an_admin_of_some_systems_makes_no_keys(api: Api) -> None:
    system_id = deploy(api, systems.system("governed"))
    limited, _ = make_key(api, name="limited", scopes=["read", "admin"], systems=[system_id])
    asked = {"name": "x", "scopes": ["read"]}
    assert_problem(limited.post("/keys", asked), 403)
    admin, _ = make_key(api, name="admin", scopes=["admin"])
    assert_problem(admin.post("/keys", asked), 403)
    assert admin.post("/keys", asked | {"scopes": ["admin"]}).status == 201
