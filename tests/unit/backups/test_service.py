"""What the function `backup` does with ticks and messages, and the monitor with lost ones."""

from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest

from quarterdeck.alerts.names import AlertName
from quarterdeck.alerts.store import AlertStore
from quarterdeck.backups.records import Backup
from quarterdeck.backups.service import BackupService
from quarterdeck.leases import list_due
from quarterdeck.memory.erasure import list_erasures
from quarterdeck.monitoring.job_upkeep import JobUpkeep
from quarterdeck.names import format_time
from quarterdeck.systems.lifecycle import request_deletion
from quarterdeck.systems.records import System
from quarterdeck.tasks.queue import JobMessage, PruneMessage
from tests.backup_site import INVOCATION, NOON, BackupSite
from tests.faults import Crash

TWO = NOON.replace(hour=2) + timedelta(days=1)


@pytest.fixture
def service(world: BackupSite) -> BackupService:
    return BackupService(
        systems=world.systems,
        backups=world.backups,
        archives=world.archives,
        queue=world.queue,
        clock=world.clock,
        find_erased=partial(list_erasures, world.table),
        frequency="daily",
    )


def take(world: BackupSite, service: BackupService) -> None:
    """All messages, those that come of them too."""
    while world.queue.messages:
        message, _ = world.queue.messages.pop(0)
        service.handle(message, lambda: INVOCATION)


def tick(world: BackupSite, service: BackupService, moment: datetime) -> dict[str, int]:
    world.now = moment
    return service.schedule(moment)


def read_alert(world: BackupSite, system: System) -> tuple[str, str | None]:
    alert = AlertStore(world.table).list_all(system.scope)[AlertName(None, "backup")]
    assert alert.last
    return alert.state, alert.last.detail


def list_backups(world: BackupSite, system: System) -> list[Backup]:
    return list(world.backups.list_all(system.system_id))


def test_the_tick_begins_what_is_due_once(world: BackupSite, service: BackupService) -> None:
    daily, never = world.deploy(), world.deploy(name="never", backup_frequency="none")
    hourly = world.deploy(name="often", backup_frequency="hourly")
    assert tick(world, service, NOON + timedelta(hours=1))["backups"] == 1
    take(world, service)
    assert tick(world, service, TWO)["backups"] == 2
    assert tick(world, service, TWO)["backups"] == 0
    assert all(0 <= delay < 600 for _, delay in world.queue.messages)
    take(world, service)
    assert [len(list_backups(world, each)) for each in (daily, never, hourly)] == [1, 0, 2]
    (backup,) = list_backups(world, daily)
    assert (backup.status, backup.origin) == ("completed", "schedule")


def test_what_was_missed_is_caught_up_once(world: BackupSite, service: BackupService) -> None:
    system = world.deploy()
    for hour in range(2, 7):
        tick(world, service, TWO + timedelta(days=5, hours=hour))
        take(world, service)
    assert len(list_backups(world, system)) == 1


def test_one_that_runs_is_waited_for(world: BackupSite, service: BackupService) -> None:
    system = world.deploy()
    asked = world.begin(system)
    assert tick(world, service, TWO)["backups"] == 0
    world.run(asked)
    assert tick(world, service, TWO + timedelta(hours=1))["backups"] == 1


def test_what_is_being_deleted_is_not_backed_up(world: BackupSite, service: BackupService) -> None:
    request_deletion(world.systems, world.deploy(), force=True, now=world.now)
    assert tick(world, service, TWO)["backups"] == 0


def test_a_system_that_fails_keeps_no_other_from_it(
    world: BackupSite, service: BackupService, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty, sound = world.deploy(), world.deploy(name="sound")
    get_plan = world.systems.get_plan

    def refuse(system: System) -> object:
        if system.system_id == faulty.system_id:
            raise OSError("no plan")
        return get_plan(system)

    monkeypatch.setattr(world.systems, "get_plan", refuse)
    assert tick(world, service, TWO)["backups"] == 1
    assert len(list_backups(world, sound)) == 1


def test_a_restore_is_tested_each_week(world: BackupSite, service: BackupService) -> None:
    system, untested = world.deploy(), world.deploy(name="untested", test_restores=False)
    hour = NOON
    tests: list[datetime] = []
    for number in range(21 * 24):
        hour = NOON + timedelta(hours=number)
        if tick(world, service, hour)["tests"]:
            tests.append(hour)
        if number == 0:
            world.queue.messages.clear()
            world.back_up(system)
            world.back_up(untested)
        world.queue.messages = [each for each in world.queue.messages if "test" in str(each[0])]
    assert [second - first for first, second in pairwise(tests)] == [timedelta(days=7)] * 2
    assert [message.system_id for message, _ in world.queue.messages] == [system.system_id] * 3
    last, _ = world.queue.messages[-1]
    world.queue.messages.clear()
    service.handle(last, lambda: INVOCATION)
    take(world, service)
    (backup, *_) = list_backups(world, system)
    assert backup.restore_proven_at


def test_old_backups_are_pruned_once_a_day(world: BackupSite, service: BackupService) -> None:
    system = world.deploy()
    world.back_up(system)
    assert tick(world, service, TWO)["prunes"] == 0
    world.queue.messages.clear()
    assert tick(world, service, TWO + timedelta(hours=1))["prunes"] == 1
    assert (PruneMessage(kind="prune", system_id=system.system_id), 0) in world.queue.messages


def test_a_failed_backup_is_told_and_the_next_good_one_ends_it(
    world: BackupSite, service: BackupService, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = world.deploy()
    backup = world.begin(system)
    with monkeypatch.context() as broken:

        def refuse(*_: object) -> None:
            raise OSError("KMS is away")

        broken.setattr("quarterdeck.backups.archives.Archives.write", refuse)
        for _ in range(3):
            service.handle(backup.message, lambda: INVOCATION)
    state, detail = read_alert(world, system)
    assert state == "critical"
    assert detail
    assert backup.backup_id in detail
    assert "KMS is away" in detail
    world.back_up(system)
    assert read_alert(world, system)[0] == "ok"


def test_a_verification_notes_when_all_was_as_written(
    world: BackupSite, service: BackupService
) -> None:
    system = world.deploy()
    world.run_task(system)
    backup = world.back_up(system)
    world.later(hours=5)
    job = world.backups.begin_verification(backup, world.now)
    service.handle(job.message, lambda: INVOCATION)
    seen = world.backups.get(system.system_id, backup.backup_id)
    assert seen.verified_at == format_time(NOON + timedelta(hours=5))
    done = world.backups.get_verification(system.system_id, job.job_id)
    assert (done.status, done.chunks) == ("completed", 3)


def test_damage_is_told_with_its_chunk(world: BackupSite, service: BackupService) -> None:
    system = world.deploy()
    world.run_task(system)
    backup = world.back_up(system)
    name = world.archives.open(backup).manifest.chunks[1].name
    place = backup.archive.locate(name)
    world.objects.client.put_object(Bucket=world.objects.bucket, Key=place, Body=b"?")
    job = world.backups.begin_verification(backup, world.now)
    service.handle(job.message, lambda: INVOCATION)
    condemned = world.backups.get(system.system_id, backup.backup_id)
    assert not condemned.is_good
    assert condemned.damage
    assert name in condemned.damage
    state, detail = read_alert(world, system)
    assert state == "critical"
    assert detail
    assert name in detail
    done = world.backups.get_verification(system.system_id, job.job_id)
    assert (done.status, done.chunks) == ("failed", 1)


def test_what_cannot_be_read_now_is_not_condemned(
    world: BackupSite, service: BackupService, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = world.deploy()
    backup = world.back_up(system)
    job = world.backups.begin_verification(backup, world.now)

    def refuse(*_: object) -> None:
        raise OSError("S3 is away")

    monkeypatch.setattr("quarterdeck.backups.archives.Archives.open", refuse)
    for _ in range(3):
        service.handle(job.message, lambda: INVOCATION)
    assert world.backups.get(system.system_id, backup.backup_id).is_good
    done = world.backups.get_verification(system.system_id, job.job_id)
    assert (done.status, len(done.reasons)) == ("failed", 3)


def test_a_manifest_that_was_written_and_not_recorded_is_adopted(world: BackupSite) -> None:
    system = world.deploy()
    world.run_task(system)
    backup = world.begin(system)
    table = world.table

    def crash_after_manifest() -> None:
        if any(key.endswith("manifest") for key in world.objects.list(backup.archive.prefix)):
            table.calls.before_write = lambda: None
            raise Crash

    table.calls.before_write = crash_after_manifest
    with pytest.raises(Crash):
        world.run(backup)
    world.later(hours=1)
    done = world.run(backup)
    assert (done.status, done.epoch) == ("completed", 2)
    assert len(world.read(done, "task_histories")) == 4


def test_the_monitor_sends_a_lost_job_again(world: BackupSite, service: BackupService) -> None:
    system = world.deploy()
    backup = world.begin(system)
    upkeep = JobUpkeep(world.table, world.queue, world.clock)

    def resend() -> int:
        return upkeep.resend_jobs(list_due(world.table, world.now))

    assert resend() == 0
    world.later(minutes=6)
    assert (resend(), resend()) == (1, 0)
    assert world.queue.messages == [(backup.message, 0)]
    take(world, service)
    assert world.backups.get(system.system_id, backup.backup_id).status == "completed"
    world.later(hours=1)
    assert resend() == 0


def test_messages_of_what_is_gone_change_nothing(world: BackupSite, service: BackupService) -> None:
    system = world.deploy()
    backup = world.back_up(system)
    before = world.table.dump()
    service.handle(backup.message, lambda: INVOCATION)
    for kind in ("backup", "verify"):
        message = JobMessage.model_validate(
            {"kind": kind, "system_id": system.system_id, "job_id": "unknown"}
        )
        service.handle(message, lambda: INVOCATION)
    assert world.table.dump() == before


def test_a_removed_backup_cannot_be_verified(world: BackupSite, service: BackupService) -> None:
    backup = world.back_up(world.deploy())
    job = world.backups.begin_verification(backup, world.now)
    world.backups.remove(backup)
    service.handle(job.message, lambda: INVOCATION)
    done = world.backups.get_verification(backup.system_id, job.job_id)
    assert (done.status, done.reasons) == ("failed", ("the backup has been removed",))
