"""Routes of backups."""

import json
from datetime import timedelta
from typing import Any

import boto3
import pytest

from quarterdeck.backups.records import Backup
from quarterdeck.http.services import Services
from quarterdeck.names import format_time, read_clock
from quarterdeck.settings import ApiSettings, load_settings
from quarterdeck.systems.records import System
from quarterdeck.table import Put
from tests import systems
from tests.api_calls import call


@pytest.fixture
def system(services: Services) -> System:
    return systems.deploy(services.systems, systems.system())


def read_messages() -> list[dict[str, Any]]:
    url = load_settings(ApiSettings).backups_queue_url
    answer = boto3.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def complete(services: Services, system: System, age_days: int, **changes: Any) -> Backup:
    """A backup that was completed so many days ago."""
    now = read_clock() - timedelta(days=age_days)
    plan = services.systems.get_plan(system)
    backup = services.backups.begin(system, plan, "schedule", now)
    done = {"status": "completed", "verified_at": format_time(now), "size": 7, **changes}
    backup = backup.model_copy(update=done)
    services.table.write(Put(backup.key, backup.model_dump(exclude_none=True)))
    services.table.client.delete_item(
        TableName="quarterdeck",
        Key={"pk": {"S": f"SYS#{system.system_id}"}, "sk": {"S": "BACKUPS"}},
    )
    return backup


def test_a_backup_is_begun_and_read(services: Services, system: System) -> None:
    path = f"/crews/{system.system_id}/backup"
    answer = call("POST", path)
    assert answer.status == 202
    backup = answer.json["backup"]
    assert (backup["status"], backup["origin"], backup["version"]) == ("running", "request", 1)
    assert backup["progress"] == {"stage": "reading", "part": "task_histories"} | {
        "chunks": 0,
        "verified_chunks": 0,
        "bytes": 0,
    }
    message = {"system_id": system.system_id, "kind": "backup", "job_id": backup["backup_id"]}
    assert read_messages() == [message]
    found = call("GET", answer.headers["Location"])
    assert (found.status, found.json["backup"]) == (200, backup)
    again = call("POST", path)
    assert again.status == 409
    assert backup["backup_id"] in again.json["detail"]


def test_a_backup_and_its_verification_are_begun_once(services: Services, system: System) -> None:
    headers = {"idempotency-key": "nightly"}
    path = f"/crews/{system.system_id}/backup"
    first, again = (call("POST", path, headers=headers) for _ in range(2))
    assert (first.status, again.status) == (202, 202)
    assert first.json["backup"]["backup_id"] == again.json["backup"]["backup_id"]
    assert len(read_messages()) == 1
    done = complete(services, systems.deploy(services.systems, systems.system("other")), 1)
    path = f"/crews/{done.system_id}/backups/{done.backup_id}/verify"
    asked = [call("POST", path, headers=headers).headers["Location"] for _ in range(2)]
    assert asked[0] == asked[1]


def test_backups_are_listed_newest_first(services: Services, system: System) -> None:
    ids = [complete(services, system, age).backup_id for age in (1, 2, 3)]
    first = call("GET", f"/crews/{system.system_id}/backups", query={"limit": "2"}).json
    query = {"limit": "2", "cursor": first["next_cursor"]}
    second = call("GET", f"/crews/{system.system_id}/backups", query=query).json
    assert [each["backup_id"] for each in (*first["backups"], *second["backups"])] == ids
    assert first["backups"][0]["size"] == 7


def test_a_dry_run_of_retention(services: Services, system: System) -> None:
    ids = [complete(services, system, age).backup_id for age in (40, 31, 20, 10)]
    path = f"/crews/{system.system_id}/backups"

    def ask(days: int) -> list[str]:
        moment = (read_clock() + timedelta(days=days)).isoformat()
        answer = call("GET", path, query={"would_expire_by": moment})
        assert answer.status == 200, answer.json
        return [each["backup_id"] for each in answer.json["backups"]]

    assert call("GET", path, query={"would_expire_by": "2020-01-01"}).json == {"backups": []}
    assert ask(0) == ids[:2]
    assert ask(15) == ids[:3]
    assert ask(3650) == ids[:3]
    assert call("GET", path, query={"would_expire_by": "soon"}).status == 422
    assert call("GET", path, query={"would_expire_by": "0.5"}).status == 422


def test_a_completed_backup_is_verified(services: Services, system: System) -> None:
    backup = complete(services, system, 1)
    path = f"/crews/{system.system_id}/backups/{backup.backup_id}"
    answer = call("POST", f"{path}/verify")
    assert answer.status == 202
    job = answer.json["verification"]
    (message,) = read_messages()
    assert (message["kind"], message["job_id"]) == ("verify", job["verification_id"])
    assert call("GET", answer.headers["Location"]).json["verification"] == job
    running = call("POST", f"/crews/{system.system_id}/backup").json["backup"]["backup_id"]
    assert call("POST", f"/crews/{system.system_id}/backups/{running}/verify").status == 409


def test_what_is_not_there(services: Services, system: System) -> None:
    for path in ("backups/nothing", "verifications/nothing", "backups/No%23t"):
        assert call("GET", f"/crews/{system.system_id}/{path}").status == 404
    assert call("POST", f"/crews/{system.system_id}/backups/nothing/verify").status == 404


def test_a_message_that_is_not_sent_is_the_monitors(
    services: Services, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no queue")

    monkeypatch.setattr("quarterdeck.tasks.queue.Queue.send", refuse)
    answer = call("POST", f"/crews/{system.system_id}/backup")
    assert answer.status == 202
