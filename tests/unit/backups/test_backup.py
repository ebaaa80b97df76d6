"""A backup holds what was acknowledged before it, whole; it goes on, and fails, as it says."""

import json
from datetime import timedelta
from itertools import chain, repeat
from typing import Any

import pytest

from quarterdeck.backups.archive.records import Record
from quarterdeck.backups.records import ORDER
from quarterdeck.errors import Conflict
from quarterdeck.keys import Key, system_key
from quarterdeck.names import format_time
from quarterdeck.table import Delete, Equals, Put, Update, unmarshal_item
from tests.backup_site import INVOCATION, NOON, BackupSite
from tests.systems import activate


def group_tasks(records: list[Record]) -> dict[str, dict[str, Any]]:
    """{task: {sk: item}}, of the registry under `REGISTRY`."""
    tasks: dict[str, dict[str, Any]] = {}
    for record in records:
        kind, name = record.pk.removeprefix("#").split("#")[:2]
        task, sk = (record.sk, "REGISTRY") if kind == "TASKS" else (name, record.sk)
        assert sk not in tasks.setdefault(task, {})
        tasks[task][sk] = unmarshal_item(record.item)
    return tasks


def test_every_part_is_in_it(world: BackupSite) -> None:
    system = world.deploy()
    done, waiting = world.run_task(system), world.submit(system)
    memory = world.remember(system, "Foxes are red", vector=b"\0\1\2")
    backup = world.back_up(system)

    tasks = group_tasks(world.read(backup, "task_histories"))
    assert tasks.keys() == {done, waiting}
    assert tasks[done].keys() == {"REGISTRY", "STATE", "SPEC", "END"}
    assert tasks[waiting].keys() == {"REGISTRY", "STATE", "SPEC"}
    (entry,) = world.read(backup, "agent_memories")
    assert unmarshal_item(entry.item)["record_id"] == memory
    assert unmarshal_item(entry.item)["vector"] == b"\0\1\2"
    (bucket,) = world.read(backup, "system_metrics")
    assert (bucket.pk, bucket.sk) == ("#METRICS#research", "2026-11-23T12:00")
    version, crew = world.read(backup, "crew_configurations")
    assert (version.pk, version.sk) == ("", "VERSION#000001")
    assert json.loads(unmarshal_item(version.item)["document"]["text"])["name"] == "desk"
    assert (crew.pk, crew.sk, crew.item) == ("#CREW#research", "CREW", {"capacity": {"N": "1"}})


def test_a_record_knows_no_system_and_no_moment(world: BackupSite) -> None:
    system = world.deploy()
    world.run_task(system, output="x" * 50_000)
    world.start(system, world.submit(system))
    backup = world.back_up(system)
    for part in ORDER:
        for record in world.read(backup, part):
            assert system.system_id not in json.dumps(record.item) + record.pk + record.sk
            assert not {"lease_shard", "tasks_of", "claimed_by"} & record.item.keys()


def test_what_a_blob_holds_is_in_it(world: BackupSite) -> None:
    system = world.deploy()
    task = world.run_task(system, description="d" * 60_000, output="o" * 90_000)
    tasks = group_tasks(world.read(world.back_up(system), "task_histories"))
    assert json.loads(tasks[task]["SPEC"]["document"]["text"])["description"] == "d" * 60_000
    assert json.loads(tasks[task]["END"]["document"]["text"])["output"] == "o" * 90_000


def test_what_it_says_of_itself(world: BackupSite) -> None:
    system = world.deploy(retention_days=7)
    world.run_task(system)
    begun = world.begin(system)
    world.later(minutes=3)
    backup = world.run(begun)
    manifest = world.archives.open(backup).manifest
    assert (backup.started_at, backup.expires) == (
        format_time(NOON),
        format_time(NOON + timedelta(days=7)),
    )
    assert backup.verified_at == backup.ended_at == format_time(NOON + timedelta(minutes=3))
    assert backup.is_good
    assert backup.progress.records == {"task_histories": 4, "system_metrics": 1} | {
        "crew_configurations": 2
    }
    assert {
        part: summary.records for part, summary in manifest.parts.items() if summary.records
    } == (backup.progress.records)
    assert backup.size == sum(chunk.stored_bytes for chunk in manifest.chunks)
    assert manifest.started_at == backup.started_at
    assert manifest.source.system_name == "desk"
    assert not world.queue.messages


def test_configurations_of_the_tasks_are_in_it(world: BackupSite) -> None:
    system = world.deploy()
    world.submit(system)
    for _ in range(2):
        configuration = world.systems.get_configuration(system.system_id, system.current_version)
        world.systems.begin_version(system, configuration, world.now)
        system = activate(world.systems, system.system_id, world.clock)
    backup = world.back_up(system)
    sks = [record.sk for record in world.read(backup, "crew_configurations")]
    assert sks == ["VERSION#000001", "VERSION#000003", "CREW"]


def test_one_runs_at_a_time(world: BackupSite) -> None:
    system = world.deploy()
    backup = world.begin(system)
    with pytest.raises(Conflict, match=backup.backup_id):
        world.begin(system)
    world.run(backup)
    world.begin(system)


def test_it_goes_on_where_the_last_invocation_came(
    world: BackupSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quarterdeck.backups.stream.ENOUGH", 1)  # Each thing is a chunk.
    system = world.deploy()
    expected = {world.run_task(system) for _ in range(5)}
    backup, invocations = world.begin(system), 0
    while backup.status == "running":
        seconds = chain(repeat(INVOCATION, 2), repeat(10.0))
        backup = world.run(backup, seconds.__next__)
        invocations += 1
        assert len(world.queue.messages) == invocations - (backup.status != "running")
    assert backup.status == "completed"
    assert invocations > 5
    records = world.read(backup, "task_histories")
    assert group_tasks(records).keys() == expected
    assert len(world.archives.open(backup).manifest.list_chunks("task_histories")) == 5


@pytest.mark.parametrize("page", [1, 2, 3])
def test_a_task_that_ends_meanwhile_is_whole(world: BackupSite, page: int) -> None:
    """Its items are two pages: its end comes before the one, between them, and after."""
    system = world.deploy()
    state = world.start(system, world.submit(system))
    for number in range(45):
        key = system.scope.event_key(state.task_id, number)
        world.table.write(Put(key, {"event": "e" * 30_000}))
    pages = 0

    def end_task(operation: str, request: Any) -> None:
        nonlocal pages
        values = request.get("ExpressionAttributeValues", {}).values()
        pages += {"S": system.scope.state_key(state.task_id).pk} in values
        if pages == page:
            world.table.calls.before_read = lambda *_: None
            world.finish(system, state)

    backup = world.begin(system)
    world.table.calls.before_read = end_task
    backup = world.run(backup)
    task = group_tasks(world.read(backup, "task_histories"))[state.task_id]
    assert len(task) == 45 + (4 if "END" in task else 3)
    assert (task["STATE"]["status"] == "succeeded") == ("END" in task)
    assert ("END" in task) == (page < 3)


def test_what_calls_hold_is_left_out(world: BackupSite) -> None:
    system = world.deploy()
    task_id = world.run_task(system)
    pk = system.scope.state_key(task_id).pk
    for sk in ("CALL#1#0", "HOLD#1", "SPENDING"):
        world.table.write(Put(Key(pk, sk), {"x": 1}))
    task = group_tasks(world.read(world.back_up(system), "task_histories"))[task_id]
    assert task.keys() == {"REGISTRY", "STATE", "SPEC", "END"}


def test_what_has_expired_is_left_out(world: BackupSite) -> None:
    system = world.deploy()
    world.run_task(system)
    world.later(days=91)
    kept = world.run_task(system)
    tasks = group_tasks(world.read(world.back_up(system), "task_histories"))
    assert tasks.keys() == {kept}


def test_a_missing_blob_fails_it_with_its_reasons(world: BackupSite) -> None:
    system = world.deploy()
    world.run_task(system, output="o" * 90_000)
    client = world.blobs.client
    for entry in client.list_objects_v2(Bucket=world.blobs.bucket)["Contents"]:
        client.delete_object(Bucket=world.blobs.bucket, Key=entry["Key"])
    backup = world.begin(system)
    for _ in range(3):
        backup = world.run(backup)
    assert backup.status == "failed"
    assert "NoSuchKey" in backup.reasons[0]
    assert len(backup.reasons) == 3
    assert not backup.is_good
    world.begin(system)


def test_a_memory_that_is_erased_meanwhile_is_left_out(world: BackupSite) -> None:
    system = world.deploy()
    world.remember(system, "m" * 60_000)
    kept = world.remember(system, "short")
    backup = world.begin(system)
    key = next(item for item in world.table.dump() if "blob" in item.get("document", {}))

    def erase(operation: str, request: Any) -> None:
        if operation != "get_item" or request["Key"]["sk"]["S"] != key["sk"]:
            return
        world.table.calls.before_read = lambda *_: None
        world.table.write(Delete(Key(key["pk"], key["sk"])))

    client = world.blobs.client
    client.delete_object(Bucket=world.blobs.bucket, Key=key["document"]["blob"])
    world.table.calls.before_read = erase
    backup = world.run(backup)
    assert backup.status == "completed", backup.faults
    (entry,) = world.read(backup, "agent_memories")
    assert unmarshal_item(entry.item)["record_id"] == kept


def test_a_restore_meanwhile_fails_it(world: BackupSite) -> None:
    system = world.deploy()
    backup = world.begin(system)
    key = system_key(system.system_id)
    world.table.write(Update(key, {"generation": 2}, {}, conditions=[Equals("generation", 1)]))
    backup = world.run(backup)
    assert (backup.status, backup.reasons) == ("failed", ("the system was restored meanwhile",))


def test_damage_on_the_way_fails_it_with_the_chunk(world: BackupSite) -> None:
    system = world.deploy()
    world.run_task(system)
    backup = world.begin(system)
    # The manifest is written, and nothing is verified yet.
    seconds = chain(repeat(INVOCATION, 8), repeat(10.0))
    backup = world.run(backup, lambda: next(seconds))
    assert backup.manifest_digest
    name = world.archives.open(backup).manifest.chunks[-1].name
    place = backup.archive.locate(name)
    world.objects.client.put_object(Bucket=world.objects.bucket, Key=place, Body=b"?")
    backup = world.run(backup)
    assert backup.status == "failed"
    assert name in backup.reasons[0]
