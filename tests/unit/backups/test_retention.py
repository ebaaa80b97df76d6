"""What retention removes: what is old, never the last good one, and what a dry run says."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.backups.pruning import prune_backups
from quarterdeck.backups.records import Backup
from quarterdeck.backups.retention import list_expired
from quarterdeck.keys import backed_up_key, system_key
from quarterdeck.names import format_time
from quarterdeck.systems.records import BackupPlan
from quarterdeck.table import Equals, Update
from tests.backup_site import NOON, BackupSite

PLAN = BackupPlan(
    frequency="daily",
    retention_days=30,
    storage="cloud",
    encryption_enabled=True,
    test_restores=True,
)


def make_backup(age_hours: int, kept_days: int, kind: str) -> Backup:
    started = NOON - timedelta(hours=age_hours)
    status = kind if kind in {"running", "failed"} else "completed"
    return Backup.model_validate(
        {
            "system_id": "s1",
            "job_id": f"{10_000 - age_hours:05}-{kind}",
            "origin": "schedule",
            "system_name": "desk",
            "system_created_at": format_time(NOON),
            "generation": 1,
            "version": 1,
            "plan": PLAN,
            "status": status,
            "started_at": format_time(started),
            "expires": format_time(started + timedelta(days=kept_days)),
            "verified_at": format_time(started) if status == "completed" else None,
            "damage": "chunk 1" if kind == "damaged" else None,
        }
    )


kinds = st.sampled_from(["good", "good", "good", "running", "failed", "damaged"])
histories = st.lists(
    st.builds(make_backup, st.integers(0, 3000), st.integers(1, 60), kinds),
    max_size=20,
    unique_by=lambda backup: backup.backup_id,
)


@given(histories, st.integers(-2000, 4000))
def test_what_goes_and_what_stays(backups: list[Backup], hours: int) -> None:
    now = NOON + timedelta(hours=hours)
    expired = list_expired(backups, now)
    ids = {backup.backup_id for backup in expired}
    assert all(backup.expires <= format_time(now) for backup in expired)
    assert all(backup.status != "running" for backup in expired)
    good = [backup for backup in backups if backup.is_good]
    if good:
        newest = max(good, key=lambda backup: (backup.started_at, backup.backup_id))
        assert newest.backup_id not in ids
        # All else whose time is over goes.
        for backup in backups:
            over = backup.status != "running" and backup.expires <= format_time(now)
            assert (backup.backup_id in ids) == (over and backup != newest)
    left = [backup for backup in backups if backup.backup_id not in ids]
    assert list_expired(left, now) == []
    assert list_expired(list(reversed(backups)), now) == expired


@given(histories, st.integers(0, 4000), st.integers(0, 4000))
def test_later_more_has_expired(backups: list[Backup], first: int, more: int) -> None:
    sooner = list_expired(backups, NOON + timedelta(hours=first))
    later = list_expired(backups, NOON + timedelta(hours=first + more))
    assert {each.backup_id for each in sooner} <= {each.backup_id for each in later}


def list_objects(world: BackupSite, backup: Backup) -> list[str]:
    return list(world.objects.list(backup.archive.prefix))


def prune(world: BackupSite, system_id: str) -> int:
    return prune_backups(world.systems, world.backups, world.archives, system_id, world.now)


def test_what_has_expired_is_removed_with_its_objects(world: BackupSite) -> None:
    system = world.deploy(retention_days=7)
    first = world.back_up(system)
    world.later(days=3)
    second = world.back_up(system)
    assert prune(world, system.system_id) == 0
    world.later(days=20)
    assert list_expired(world.backups.list_all(system.system_id), world.now) == [first]
    assert prune(world, system.system_id) == 1
    assert not list_objects(world, first)
    assert list_objects(world, second)
    assert [each.backup_id for each in world.backups.list_all(system.system_id)] == [
        second.backup_id
    ]
    assert prune(world, system.system_id) == 0


def test_what_is_being_read_stays(world: BackupSite) -> None:
    system = world.deploy(retention_days=7)
    first = world.back_up(system)
    world.later(hours=1)
    world.back_up(system)
    world.later(days=20)
    world.backups.begin_verification(first, world.now)
    assert prune(world, system.system_id) == 0
    assert list_objects(world, first)


def test_a_removal_that_is_stopped_is_finished_by_the_next(
    world: BackupSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = world.deploy(retention_days=7)
    first = world.back_up(system)
    world.later(hours=1)
    world.back_up(system)
    world.later(days=20)

    def stop(prefix: str) -> None:
        raise OSError("S3 is away")

    with monkeypatch.context() as broken:
        broken.setattr("quarterdeck.backups.archives.ArchiveObjects.delete", lambda _, p: stop(p))
        with pytest.raises(OSError, match="away"):
            prune(world, system.system_id)
    left = world.backups.get(system.system_id, first.backup_id)
    assert not left.is_good
    assert prune(world, system.system_id) == 1
    assert not list_objects(world, first)


def test_a_deleted_systems_last_backup_goes_when_its_time_is_over(world: BackupSite) -> None:
    system = world.deploy(retention_days=7)
    backup = world.back_up(system)
    gone = Update(
        system_key(system.system_id),
        {"state": "deleted"},
        {},
        conditions=[Equals("name", system.name)],
    )
    world.table.write(gone)
    assert prune(world, system.system_id) == 0
    assert list(world.backups.list_backed_up()) == [system.system_id]
    world.later(days=8)
    assert prune(world, system.system_id) == 1
    assert not list_objects(world, backup)
    assert world.table.get(backed_up_key(system.system_id)) is None
