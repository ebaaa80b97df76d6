"""Restores over the API: what is begun, what is refused, and how far it is."""

from typing import Any

import pytest

from quarterdeck.backups.records import Backup
from quarterdeck.http.services import Services
from quarterdeck.identity.principal import Principal
from quarterdeck.keys import backup_key, system_key
from quarterdeck.systems.records import System
from quarterdeck.table import Update
from tests import systems
from tests.api_calls import Answer, call, read_items
from tests.unit.backups.test_backup_routes import complete, read_messages


@pytest.fixture
def system(services: Services) -> System:
    return systems.deploy(services.systems, systems.system())


@pytest.fixture
def backup(services: Services, system: System) -> Backup:
    return complete(services, system, 1)


def ask(backup: Backup, body: Any = None, what: str = "restore", **rest: Any) -> Answer:
    path = f"/crews/{backup.system_id}/backups/{backup.backup_id}/{what}"
    return call("POST", path, body, **rest)


def test_a_restore_closes_the_system_and_is_read(
    services: Services, system: System, backup: Backup
) -> None:
    answer = ask(backup)
    assert answer.status == 202
    restore = answer.json["restore"]
    assert (restore["status"], restore["phase"]) == ("running", "closing")
    assert restore["parts"] == [
        *("crew_configurations", "agent_memories", "task_histories", "system_metrics")
    ]
    closed = services.systems.get(system.system_id)
    assert (closed.state, closed.restoring) == ("restoring", restore["restore_id"])
    assert call("GET", answer.headers["Location"]).json["restore"] == restore
    listed = call("GET", f"/crews/{system.system_id}/restores").json["restores"]
    assert listed == [restore]
    # Its message waits until no request is left that saw the system open.
    assert read_messages() == []


def test_a_test_and_a_dry_run_leave_the_system_open(
    services: Services, system: System, backup: Backup
) -> None:
    test, dry = ask(backup, what="test"), ask(backup, {"dry_run": True})
    copy = ask(backup, {"into": "copy", "parts": ["crew_configurations"]})
    assert [answer.status for answer in (test, dry, copy)] == [202] * 3
    assert services.systems.get(system.system_id).state == "active"
    kinds = {message["kind"]: message["job_id"] for message in read_messages()}
    assert kinds.keys() == {"restore_test", "restore"}
    assert kinds["restore_test"] == test.json["restore"]["restore_id"]


def test_a_request_that_means_nothing_is_refused(backup: Backup) -> None:
    before = read_items()
    empty = ask(backup, {"parts": []})
    assert (empty.status, empty.faults) == (422, {"parts": "names at least one part"})
    number = ask(backup, {"dry_run": 0})
    assert (number.status, list(number.faults)) == (422, ["dry_run"])
    without = ask(backup, {"parts": ["task_histories"], "into": "copy"})
    assert without.faults == {"parts": "a new system needs crew_configurations"}
    for body, field in (
        ({"into": "No Name"}, "into"),
        ({"parts": ["journals"]}, "parts[0]"),
        ({"dry": True}, "dry"),
    ):
        answer = ask(backup, body)
        assert (answer.status, list(answer.faults)) == (422, [field])
    assert read_items() == before


def test_only_a_good_backup_is_restored(services: Services, backup: Backup) -> None:
    key = backup_key(backup.system_id, backup.backup_id)
    for changes, detail in (
        ({"status": "running"}, "the backup is running: one that is completed can be restored"),
        ({"status": "failed"}, "the backup is failed: one that is completed can be restored"),
        ({"damage": "chunk 1: gone"}, "the backup is damaged: chunk 1: gone"),
    ):
        services.table.write(Update(key, changes, {}))
        for what in ("restore", "test"):
            answer = ask(backup, what=what)
            assert (answer.status, answer.json["detail"]) == (409, detail)


def test_the_state_can_forbid_it(services: Services, system: System, backup: Backup) -> None:
    for state in ("restoring", "deleting", "deploying"):
        services.table.write(Update(system_key(system.system_id), {"state": state}, {}))
        answer = ask(backup)
        assert answer.status == 409
        assert answer.json["detail"] == f"system 'desk' is {state}: it cannot be restored now"


def test_not_while_a_version_is_deployed_or_a_backup_runs(
    services: Services, system: System, backup: Backup
) -> None:
    services.table.write(Update(system_key(system.system_id), {"deploying": 2}, {}))
    assert "deployment 2" in ask(backup).json["detail"]
    services.table.write(Update(system_key(system.system_id), {}, {}, ["deploying"]))
    running = call("POST", f"/crews/{system.system_id}/backup").json["backup"]["backup_id"]
    answer = ask(backup)
    assert (answer.status, running in answer.json["detail"]) == (409, True)


def test_a_name_that_is_taken_is_refused(backup: Backup) -> None:
    answer = ask(backup, {"into": "desk"})
    assert (answer.status, answer.json["detail"]) == (409, "a system named 'desk' exists")


def test_a_new_system_takes_a_key_of_the_whole_environment(backup: Backup) -> None:
    principal = Principal(
        key_id="k", name="k", scopes=("admin", "operate"), systems=(backup.system_id,)
    )
    assert ask(backup, {"into": "copy"}, principal=principal).status == 403
    assert ask(backup, {"dry_run": True}, principal=principal).status == 202


def test_what_is_not_there_is_not_found(services: Services, system: System) -> None:
    path = f"/crews/{system.system_id}"
    assert call("POST", f"{path}/backups/none/restore").status == 404
    assert call("POST", f"{path}/backups/none/test").status == 404
    answer = call("GET", f"{path}/restores/none")
    assert (answer.status, answer.faults) == (
        404,
        {"restore_id": "there is no restore 'none' of this system"},
    )


def test_two_generations_are_never_the_same(
    services: Services, system: System, backup: Backup
) -> None:
    ask(backup, what="test")
    ask(backup, what="test")
    ask(backup)
    items = services.table.query(system_key(system.system_id).pk, "RESTORE#")
    assert sorted(item["generation"] for item in items) == [2, 3, 4]
    assert services.systems.get(system.system_id).generation == 1


def test_a_request_that_comes_second_is_refused_or_answered_the_same(
    services: Services, backup: Backup
) -> None:
    for what in ("test", "restore"):
        first, second = (
            ask(backup, what=what, headers={"idempotency-key": "one"}) for _ in range(2)
        )
        assert (first.status, second.status) == (202, 202)
        assert first.json == second.json
        assert second.headers["Idempotent-Replayed"] == "true"
    assert ask(backup).status == 409
    begun = services.table.query(system_key(backup.system_id).pk, "RESTORE#")
    assert sorted(item["kind"] for item in begun) == ["restore", "restore_test"]
