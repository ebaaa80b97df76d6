"""Wherever a process ends: the old state or the new one, never a mixture; and the job is finished.

An effect is a write to the table, an object, or a message. The process ends before it or after it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any

import pytest

from quarterdeck.backups.archive.layout import ArchiveName
from quarterdeck.backups.records import Backup
from quarterdeck.backups.requests import begin_restore_test
from quarterdeck.backups.restores import Restore
from quarterdeck.backups.store import BackupStore
from quarterdeck.keys import parse_task_key
from quarterdeck.systems.lifecycle import API_SECONDS
from quarterdeck.tasks.states import TERMINAL
from tests.prove import PROVE
from tests.restore_crashes import Deployed, Sweep, list_crashes, prepare
from tests.restore_site import RestoreSite

STEP = 1 if PROVE else 6
"""Every effect, or each so many."""
START = (1, "active")
type Begin = Callable[[RestoreSite], object]


@cache
def base() -> Deployed:
    return prepare()


def restore(site: RestoreSite) -> object:
    return site.begin_restore(base().system, base().backup)


def restore_tasks(site: RestoreSite) -> object:
    return site.begin_restore(base().system, base().backup, parts=["task_histories"])


def restore_into(site: RestoreSite) -> object:
    return site.begin_restore(base().system, base().backup, into="copy")


def test_it(site: RestoreSite) -> object:
    system = site.systems.get(base().system.system_id)
    test = begin_restore_test(site.systems, system, base().backup, site.now)
    site.wire.send(test.message)
    return test


test_it.__test__ = False  # type: ignore[attr-defined]


def back_up(site: RestoreSite) -> object:
    system = site.systems.get(base().system.system_id)
    backup = site.begin(system)
    site.wire.send(backup.message)
    return backup


@cache
def run_smoothly(begin: Begin) -> Sweep:
    sweep = Sweep(base())
    sweep.run(begin)
    return sweep


@pytest.mark.parametrize("begin", [restore, restore_tasks])
def test_a_restore_is_seen_whole_or_not_at_all(begin: Begin) -> None:
    old = Sweep(base()).read_visible()
    new = run_smoothly(begin).read_visible()
    assert old != new

    def look(sweep: Sweep) -> None:
        if sweep.effects == sweep.at:
            system = sweep.read_system()
            assert (system.generation, system.state) in ((1, "restoring"), (2, "active"), START)
            assert sweep.read_visible() == (old if system.generation == 1 else new)

    for at, before in list_crashes(base(), begin, STEP):
        sweep = Sweep(base(), at, before, on_effect=look)
        sweep.run(begin)
        assert sweep.crashed
        if not any(isinstance(job, Restore) for job in sweep.list_jobs()):
            # The request itself was stopped before it had begun anything.
            assert (at, before) == (1, True)
            continue
        check_end(sweep, begin)
        assert sweep.read_visible() == new


def check_end(sweep: Sweep, begin: Begin) -> None:
    """All that was begun has ended, and left nothing behind."""
    smooth, system = run_smoothly(begin), sweep.read_system()
    assert [j.status for j in sweep.list_jobs()] == ["completed"] * len(smooth.list_jobs())
    assert (system.state, system.generation, system.restoring) == ("active", 2, None)
    assert system.current_version == smooth.read_system().current_version
    assert sweep.list_generations() == {"2"}
    assert_nothing_restored_runs(sweep)


def assert_nothing_restored_runs(sweep: Sweep) -> None:
    """No restored task lives or is queued, and the monitor has sent none of them."""
    visible = sweep.read_visible()
    for (pk, sk), item in visible.items():
        if pk.startswith("TASK#") and sk == "STATE":
            assert item["status"] in TERMINAL
        assert not sk.startswith(("QUEUE#", "LATER#", "CALL#"))
    assert visible["CREW#research", "CREW"]["running"] == 0
    assert [m for m in sweep.tasks_sent if m.generation != 1] == []


def test_a_restore_into_a_new_system_is_seen_whole_or_not_at_all() -> None:
    old = Sweep(base()).read_visible()
    smooth = run_smoothly(restore_into)

    def find_copies(sweep: Sweep) -> list[str]:
        return [s for s in sweep.site.systems.list_active() if s != sweep.system.system_id]

    def count_items(sweep: Sweep) -> int:
        (copy,) = find_copies(sweep)
        return len(sweep.site.dump_generation(copy, sweep.site.systems.get(copy).generation))

    def look(sweep: Sweep) -> None:
        if sweep.effects == sweep.at and find_copies(sweep):
            assert count_items(sweep) == count_items(smooth)

    for at, before in list_crashes(base(), restore_into, STEP):
        sweep = Sweep(base(), at, before, on_effect=look)
        sweep.run(restore_into)
        if at > 1 or not before:
            assert [j.status for j in sweep.list_jobs()] == ["completed"] * 2
            assert count_items(sweep) == count_items(smooth)
        # The source goes on: what waits there is admitted.
        assert sweep.read_visible().keys() >= {k for k in old if not k[1].startswith("QUEUE#")}


def test_a_restore_test_changes_nothing_and_is_finished() -> None:
    old = Sweep(base()).read_visible()

    def look(sweep: Sweep) -> None:
        if sweep.effects == sweep.at:
            seen = sweep.read_visible()
            assert drop_queue(seen) == drop_queue(old)

    for at, before in list_crashes(base(), test_it, STEP):
        sweep = Sweep(base(), at, before, on_effect=look)
        sweep.run(test_it)
        tests = [job for job in sweep.list_jobs() if isinstance(job, Restore)]
        assert [(t.status, t.outcome) for t in tests] in ([], [("completed", "proven")])
        assert tests or (at, before) == (1, True)
        assert sweep.list_generations() == {"1"}
        backup = sweep.site.backups.get(sweep.system.system_id, base().backup.backup_id)
        assert bool(backup.restore_proven_at) == bool(tests)
        assert {message.generation for message in sweep.tasks_sent} <= {1}


def drop_queue(items: dict[tuple[str, str], Any]) -> set[tuple[str, str]]:
    """Admission goes on while a test runs."""
    return {key for key in items if not key[1].startswith("QUEUE#")}


def test_a_backup_is_finished_and_holds_the_same() -> None:
    smooth = run_smoothly(back_up)
    (expected,) = find_new_backups(smooth)
    for at, before in list_crashes(base(), back_up, STEP):
        sweep = Sweep(base(), at, before)
        sweep.run(back_up)
        backups = find_new_backups(sweep)
        assert len(backups) == (0 if (at, before) == (1, True) else 1)
        for backup in backups:
            assert backup.is_good
            # The monitor may have counted something since.
            assert set(read_keys(sweep, backup)) >= set(read_keys(smooth, expected))


def find_new_backups(sweep: Sweep) -> list[Backup]:
    store = BackupStore(sweep.site.table)
    found = store.list_all(sweep.system.system_id)
    return [backup for backup in found if backup.backup_id != base().backup.backup_id]


def read_keys(sweep: Sweep, backup: Backup) -> list[tuple[str, str]]:
    archive = sweep.site.archives.open(backup)
    chunks = archive.manifest.chunks
    return [(record.pk, record.sk) for chunk in chunks for record in archive.read_chunk(chunk)]


def break_archive(sweep: Sweep) -> None:
    name = ArchiveName(sweep.system.system_id, base().backup.backup_id)
    key = next(k for k in sweep.site.s3.objects if "agent_memories" in k[1] and name[1] in k[1])
    del sweep.site.s3.objects[key]


def test_a_restore_that_cannot_be_done_leaves_the_system_as_it_was() -> None:
    smooth = Sweep(base())
    break_archive(smooth)
    smooth.run(restore)
    for at in range(1, smooth.effects + 1, STEP):
        for before in (True, False):
            sweep = Sweep(base(), at, before)
            break_archive(sweep)
            sweep.run(restore)
            if at == 1 and before:
                continue
            (failed,) = [job for job in sweep.list_jobs() if isinstance(job, Restore)]
            assert (failed.status, failed.outcome) == ("failed", "failed")
            assert "agent_memories/000001-1.chunk: it is missing" in failed.reasons[-1]
            system = sweep.read_system()
            assert (system.state, system.generation, system.restoring) == ("active", 1, None)
            assert sweep.list_generations() == {"1"}
            assert_work_goes_on(sweep)


def assert_work_goes_on(sweep: Sweep) -> None:
    """The task that ran is taken from its worker, those that waited are admitted."""
    sweep.site.later(minutes=15)
    sweep.look()
    sweep.site.later(minutes=1)
    sweep.look()
    live = {
        parse_task_key(item["pk"]).task_id
        for item in sweep.site.table.dump()
        if item["sk"] == "STATE" and item["status"] not in TERMINAL
    }
    assert len(live) == 2
    assert {message.task_id for message in sweep.tasks_sent} == live


def test_a_submit_at_any_moment_is_refused_or_in_the_new_generation() -> None:
    """With the system as a request read it before it was closed, or as it is."""
    smooth = run_smoothly(restore)
    accepted = 0
    for moment in range(1, smooth.effects + 1, 1 if PROVE else 3):
        for stale in (True, False):
            sweep = Sweep(base(), on_effect=partial(race, moment, stale))
            sweep.run(restore)
            accepted += len(sweep.submitted)
            visible = sweep.read_visible()
            for task in sweep.submitted:
                assert {(f"TASK#{task}", "STATE"), (f"TASK#{task}", "SPEC")} <= visible.keys()
                assert [key for key in visible if key[1] == task]
    assert accepted > 5


def race(moment: int, stale: bool, sweep: Sweep) -> None:
    if sweep.effects == moment:
        system = sweep.read_system()
        sweep.submit(base().system if stale and is_within_request(sweep) else system)


def is_within_request(sweep: Sweep) -> bool:
    """Whether a request that read the system before the restore began can still be at work."""
    now: datetime = sweep.site.now
    return now - base().now < timedelta(seconds=API_SECONDS)
