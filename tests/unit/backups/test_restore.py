"""A restore brings back what was, whole, and nothing that could run."""

import itertools
from functools import partial
from unittest.mock import Mock

import pytest

from quarterdeck.alerts.conditions import note_condition
from quarterdeck.alerts.names import AlertName
from quarterdeck.alerts.store import AlertStore
from quarterdeck.backups.archive.layout import Part
from quarterdeck.backups.batches import MOST_ITEMS
from quarterdeck.backups.records import Backup
from quarterdeck.backups.removal import Removal
from quarterdeck.backups.rewriting import RESERVE_SECONDS
from quarterdeck.backups.service import BackupService
from quarterdeck.errors import NotFound
from quarterdeck.keys import OUTBOX_PREFIX, Key
from quarterdeck.memory.erasure import erase_memories, list_erasures
from quarterdeck.memory.store import MemoryStore
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.systems.lifecycle import pause_system
from quarterdeck.systems.records import System
from quarterdeck.table import ConditionFailed, Item, Update
from quarterdeck.tasks.deletion import delete_task
from quarterdeck.tasks.ending import stop_task
from quarterdeck.tasks.event_log import EventLog
from quarterdeck.tasks.events import LlmCall
from quarterdeck.tasks.listing import TaskFilter, find_page
from quarterdeck.tasks.progress import read_events
from quarterdeck.tasks.submission import retry_task
from quarterdeck.tasks.traces import Trace, TraceLog
from tests import systems
from tests.backup_site import BLOBS
from tests.restore_site import RestoreSite


@pytest.fixture
def site() -> RestoreSite:
    return RestoreSite()


@pytest.fixture
def system(site: RestoreSite) -> System:
    agents = [systems.agent(name) for name in "ABC"]
    return site.deploy(crews=[systems.crew(agents=agents)])


def test_what_was_backed_up_is_there_again(site: RestoreSite, system: System) -> None:
    done = site.run_task(system, description="d" * 50_000, output="o" * 50_000)
    waiting = site.submit(system)
    site.start(system, running := site.submit(system))
    site.remember(system, "Foxes are red", vector=b"\0\1\2")
    site.remember(system, "Bears are brown" * 4000)
    before = site.dump_generation(system.system_id, 1)
    backup = site.back_up(system)
    site.later(hours=1)
    since = site.run_task(system)
    site.remember(system, "Owls are grey")
    site.later(minutes=1)
    restore = site.restore(system, backup)
    assert (restore.status, restore.outcome, restore.reasons) == ("completed", "restored", ())
    assert (restore.interrupted, restore.left_out) == (2, 0)
    restored = site.systems.get(system.system_id)
    assert (restored.state, restored.generation, restored.current_version) == ("active", 2, 2)
    after = site.dump_generation(system.system_id, 2)
    assert after[f"TASK#{done}", "END"] == before[f"TASK#{done}", "END"]
    assert {after[f"TASK#{task}", "STATE"]["status"] for task in (waiting, running)} == {
        "interrupted"
    }
    assert (f"TASK#{since}", "STATE") not in after
    untold = [[sk for _, sk in items if sk.startswith(OUTBOX_PREFIX)] for items in (before, after)]
    assert untold == [["OUTBOX#1#ended"], []], "a restore has news for nobody"
    assert site.dump_generation(system.system_id, 1) == {}
    blobs = {key for bucket, key in site.s3.objects if bucket == BLOBS}
    task = f"blobs/tasks/{system.system_id}@2/{done}"
    assert {f"{task}/end.json", f"{task}/spec.json"} <= blobs
    assert not [key for key in blobs if f"{system.system_id}@1/" in key]


def test_what_a_task_told_is_there_again_and_its_trace_is_not(
    site: RestoreSite, system: System
) -> None:
    task_id = site.submit(system)
    log = EventLog(site.table, system.scope, task_id, site.clock)
    for number in range(30):
        log.record(LlmCall(model=f"m{number}", duration_ms=number))
    assert log.flush()
    trace = Trace(kind="llm", name="m", call="c-0", asked="[]", answered='"a"')
    TraceLog(site.table, site.systems.blobs, system.scope, task_id, site.clock).keep(trace)
    before = read_events(site.table, system.scope, task_id, 0, 100)
    assert site.restore(system, site.back_up(system)).outcome == "restored"
    restored = site.systems.get(system.system_id).scope
    assert read_events(site.table, restored, task_id, 0, 100) == before
    kept = {sk.partition("#")[0] for _, sk in site.dump_generation(system.system_id, 2)}
    assert "EVENT" in kept
    assert "TRACE" not in kept


def test_a_removal_that_is_cut_short_anywhere_leaves_nothing(
    site: RestoreSite, system: System
) -> None:
    """Traces come after STATE, by which a task is found."""
    task_id, blobs = site.submit(system), site.systems.blobs
    log = TraceLog(site.table, blobs, system.scope, task_id, site.clock)
    for number in range(2 * MOST_ITEMS):
        log.keep(Trace(kind="llm", name=f"m{number}", call="c-0", asked="[]", answered='"a"'))
    hold = Mock(advance=lambda _, *writes: site.table.write(*writes))
    hold.job.crews = ()
    removal = Removal(site.table, blobs, hold)

    def remove_some() -> bool:
        turns = iter([RESERVE_SECONDS])
        return removal.remove(system.scope, lambda: next(turns, 0))

    assert any(remove_some() for _ in range(9))
    assert f"TASK#{task_id}" not in {pk for pk, _ in site.dump_generation(system.system_id, 1)}


def work(site: RestoreSite, system: System) -> None:
    site.run_task(system, description="d" * 50_000, output="o" * 50_000)
    site.submit(system)
    site.start(system, site.submit(system))
    site.remember(system, "Foxes are red", vector=b"\0\1\2")
    site.remember(system, "Bears are brown" * 4000)


def test_a_test_of_it_leaves_nothing_behind_and_says_when(
    site: RestoreSite, system: System
) -> None:
    work(site, system)
    backup = site.back_up(system)
    site.later(minutes=1)
    before, objects = site.dump_generation(system.system_id, 1), dict(site.s3.objects)
    test = site.prove(system, backup)
    assert (test.status, test.outcome, test.reasons) == ("completed", "proven", ())
    now = site.dump_generation(system.system_id, 1)
    assert now.pop(("ALERTS", "METRIC##restore_test"))["state"] == "ok"
    assert now == before
    assert site.s3.objects == objects
    assert site.dump_generation(system.system_id, test.generation) == {}
    assert site.systems.get(system.system_id).generation == 1
    assert site.backups.get(system.system_id, backup.backup_id).restore_proven_at


@pytest.mark.parametrize("part", ["task_histories", "agent_memories", "system_metrics"])
def test_parts_that_are_not_asked_for_stay_as_they_are(
    site: RestoreSite, system: System, part: Part
) -> None:
    work(site, system)
    backup = site.back_up(system)
    then = split_parts(site.dump_generation(system.system_id, 1))
    site.later(minutes=5)
    work_once(site, system)
    now = split_parts(site.dump_generation(system.system_id, 1))
    site.later(minutes=1)
    restore = site.restore(system, backup, parts=[part])
    assert restore.outcome == "restored"
    after = split_parts(site.dump_generation(system.system_id, 2))
    for each in ("task_histories", "agent_memories", "system_metrics"):
        expected = then[each] if each == part else now[each]
        assert after[each].keys() == expected.keys(), each
    restored = site.systems.get(system.system_id)
    assert (restored.current_version, restored.latest_deployment) == (1, 1)


def work_once(site: RestoreSite, system: System) -> None:
    """Nothing that lives is added: it would be carried over."""
    site.run_task(system)
    site.remember(system, "Owls are grey")


def split_parts(items: dict[tuple[str, str], Item]) -> dict[str, dict[tuple[str, str], Item]]:
    kinds = {"TASK": "task_histories", "MEMORY": "agent_memories", "METRICS": "system_metrics"}
    parts: dict[str, dict[tuple[str, str], Item]] = {part: {} for part in kinds.values()}
    for (pk, sk), item in items.items():
        part = kinds.get(pk.split("#")[0])
        if sk.startswith(OUTBOX_PREFIX):
            continue
        if part and (sk != "END" or item["summary"]["status"] != "interrupted"):
            parts[part][pk, sk] = item
    return parts


def test_a_dry_run_says_what_would_be_and_changes_nothing(
    site: RestoreSite, system: System
) -> None:
    work(site, system)
    backup = site.back_up(system)
    site.later(minutes=1)
    before, objects = site.dump_generation(system.system_id, 1), dict(site.s3.objects)
    restore = site.restore(system, backup, dry_run=True)
    assert (restore.status, restore.outcome) == ("completed", "checked")
    assert restore.interrupted == 2
    assert restore.items == {
        "crew_configurations": 2,
        "agent_memories": 2,
        "task_histories": 12,
        "system_metrics": 1,
    }
    assert site.systems.get(system.system_id).state == "active"
    assert site.dump_generation(system.system_id, 1) == before
    assert site.s3.objects == objects


def test_into_a_new_system(site: RestoreSite, system: System) -> None:
    work(site, system)
    backup = site.back_up(system)
    site.later(minutes=1)
    before = site.dump_generation(system.system_id, 1)
    restore = site.restore(system, backup, into="copy")
    assert (restore.status, restore.outcome, restore.reasons) == ("completed", "restored", ())
    assert site.dump_generation(system.system_id, 1) == before
    copy = site.systems.get(restore.target_id)
    assert (copy.name, copy.state, copy.crews) == ("copy", "active", ("research",))
    assert site.systems.get_configuration(copy.system_id, copy.current_version).name == "copy"
    assert site.systems.get_deployment(copy.system_id, copy.latest_deployment).kind == "restore"
    assert [crew.capacity for crew in site.systems.list_crews(copy)] == [3]
    then, now = (
        split_parts(site.dump_generation(s.system_id, s.generation)) for s in (system, copy)
    )
    for part, items in then.items():
        assert now[part].keys() == items.keys()
    site.run_task(copy)
    assert site.back_up(copy).is_good
    assert site.backups.get(copy.system_id, site.back_up(copy).backup_id)


def test_a_name_that_was_taken_meanwhile_leaves_nothing(site: RestoreSite, system: System) -> None:
    work(site, system)
    backup = site.back_up(system)
    restore = site.begin_restore(system, backup, into="copy")
    site.deploy(name="copy")
    site.deliver_all()
    done = site.read_restore(restore)
    assert (done.status, done.reasons) == ("failed", ("a system named 'copy' exists",))
    assert not [i for i in site.table.dump() if restore.target_id in i["pk"]]


def test_a_message_that_comes_early_waits_for_the_requests_that_saw_the_system_open(
    site: RestoreSite, system: System
) -> None:
    backup = site.back_up(system)
    site.later(minutes=1)
    open_system = site.systems.get(system.system_id)
    restore = site.begin_restore(system, backup)
    site.deliver(restore.message)
    site.deliver(restore.message)
    assert site.read_restore(restore).phase == "closing"
    site.later(seconds=29)
    site.deliver(restore.message)
    assert site.read_restore(restore).phase == "closing"
    late, stopped = site.submit(open_system), site.submit(open_system)
    stop_task(site.table, site.blobs, system.scope, stopped, site.clock)
    site.deliver_all()
    restored = site.systems.get(system.system_id)
    assert site.tasks.get_view(restored.scope, late).status == "interrupted"
    assert site.tasks.get_view(restored.scope, stopped).status == "cancelled"


def test_a_worker_that_is_at_work_changes_nothing_any_more(
    site: RestoreSite, system: System
) -> None:
    state = site.start(system, site.submit(system))
    backup = site.back_up(system)
    site.begin_restore(system, backup)
    assert site.deliver_next()
    with pytest.raises(ConditionFailed):
        site.finish(system, state)
    site.deliver_all()
    restored = site.systems.get(system.system_id)
    with pytest.raises(ConditionFailed):
        site.finish(restored, state)
    assert site.tasks.get_view(restored.scope, state.task_id).status == "interrupted"


def test_a_restored_system_goes_on(site: RestoreSite, system: System) -> None:
    interrupted = site.submit(system)
    backup = site.back_up(system)
    site.restore(system, backup)
    restored = site.systems.get(system.system_id)
    done = site.run_task(restored)
    retry = retry_task(site.table, site.blobs, restored, interrupted, site.now)
    assert retry.status == "queued"
    parsed = SystemConfiguration.model_validate(systems.system(retention_days=3))
    deployment = site.systems.begin_version(restored, parsed, site.now)
    assert deployment.number == 3
    latest = systems.activate(site.systems, system.system_id, site.clock)
    assert latest.current_version == 3
    rollback = site.systems.begin_rollback(latest, None, site.now)
    assert rollback.of_version == 2
    latest = systems.activate(site.systems, system.system_id, site.clock)
    again = site.back_up(latest)
    site.later(minutes=1)
    assert site.restore(latest, again).outcome == "restored"
    restored = site.systems.get(system.system_id)
    assert site.tasks.get_view(restored.scope, done).status == "succeeded"


def test_what_was_paused_is_paused_and_what_was_raised_is_raised(
    site: RestoreSite, system: System
) -> None:
    backup = site.back_up(system)
    alerts = AlertStore(site.table)
    note_condition(alerts, system.scope, "health", "critical", site.now, detail="a secret is gone")
    paused = pause_system(site.systems, system, site.now)
    site.restore(paused, backup)
    restored = site.systems.get(system.system_id)
    assert restored.state == "paused"
    crew = site.table.get(restored.scope.crew_key("research"))
    assert crew
    assert (crew["paused"], crew["capacity"], crew["running"]) == (True, 3, 0)
    alert = alerts.find(restored.scope, AlertName(None, "health"))
    assert alert
    assert (alert.state, len(alert.outbox)) == ("critical", 1)


def test_it_goes_on_through_any_number_of_invocations(site: RestoreSite, system: System) -> None:
    work(site, system)
    backup = site.back_up(system)
    site.later(minutes=1)
    calls = itertools.count()
    site.left = lambda: 900.0 if next(calls) % 3 else 1.0
    restore = site.restore(system, backup)
    assert (restore.status, restore.outcome) == ("completed", "restored")
    assert restore.epoch > 10
    restored = site.systems.get(system.system_id)
    assert len(find_page(site.table, restored.scope, TaskFilter(), 100, None).items) == 3


def test_what_has_expired_since_is_left_out(site: RestoreSite, system: System) -> None:
    old = site.run_task(system)
    backup = site.back_up(system)
    site.later(days=91)
    restore = site.restore(system, backup)
    assert restore.outcome == "restored"
    assert restore.left_out == 4
    restored = site.systems.get(system.system_id)
    items = site.dump_generation(restored.system_id, 2)
    assert not [key for key in items if old in key[0] + key[1]]


def test_what_was_erased_since_is_not_brought_back(site: RestoreSite, system: System) -> None:
    gone, kept = site.remember(system, "Ann is ill"), site.remember(system, "Foxes are red")
    backup = site.back_up(system)
    site.later(minutes=1)
    store = MemoryStore(site.table, site.blobs, system.scope, "research")
    erase_memories(store, site.now, record_ids=[gone])
    restore = site.restore(system, backup)
    assert restore.outcome == "restored", restore.reasons
    restored = site.systems.get(system.system_id)
    store = MemoryStore(site.table, site.blobs, restored.scope, "research")
    assert (store.get(gone), store.get(kept) is not None) == (None, True)
    assert "Ann" not in str(site.table.dump())
    copied = site.restore(system, backup, into="copy")
    assert copied.outcome == "restored", copied.reasons
    assert "Ann" not in str(site.table.dump())


def test_a_task_that_was_deleted_since_is_not_brought_back(
    site: RestoreSite, system: System
) -> None:
    gone, kept = (site.run_task(system, output=name) for name in ("Ann " * 20_000, "Bob"))
    backup = site.back_up(system)
    assert delete_task(site.table, site.blobs, system.scope, gone, site.now)
    site.later(minutes=1)
    dry = site.restore(system, backup, dry_run=True)
    assert dry.outcome == "checked", dry.reasons
    assert dry.left_out >= 3
    assert site.prove(system, backup).outcome == "proven"
    restore = site.restore(system, backup)
    assert restore.outcome == "restored", restore.reasons
    restored = site.systems.get(system.system_id)
    assert site.tasks.get_view(restored.scope, kept).status == "succeeded"
    for scope in (restored.scope, site.restore(system, backup, into="copy").scope):
        listed = find_page(site.table, scope, TaskFilter(), 10, None).items
        assert [entry["task_time"].partition("#")[2] for entry in listed] == [kept]
        with pytest.raises(NotFound):
            site.tasks.get_view(scope, gone)
        assert not site.blobs.list_blobs(f"{scope.blob_prefix}/{gone}/")


def damage(site: RestoreSite, backup: Backup, part: Part) -> str:
    """Changes a byte of a chunk; its name."""
    chunk = site.archives.open(backup).manifest.list_chunks(part)[0]
    place = (site.objects.bucket, backup.archive.locate(chunk.name))
    content = bytearray(site.s3.objects[place])
    content[len(content) // 2] ^= 1
    site.s3.objects[place] = bytes(content)
    return chunk.name


def test_a_test_of_a_damaged_backup_raises_an_alert_that_names_the_chunk(
    site: RestoreSite, system: System
) -> None:
    work(site, system)
    backup = site.back_up(system)
    name = damage(site, backup, "task_histories")
    test = site.prove(system, backup)
    assert (test.status, test.outcome) == ("failed", "failed")
    assert name in test.reasons[0]
    assert site.dump_generation(system.system_id, test.generation) == {}
    assert site.backups.get(system.system_id, backup.backup_id).restore_proven_at is None
    alert = AlertStore(site.table).find(system.scope, AlertName(None, "restore_test"))
    assert alert
    assert alert.state == "critical"
    assert name in str(alert.last)


def test_the_last_good_backup_is_tested_once_a_week(site: RestoreSite, system: System) -> None:
    service = BackupService(
        systems=site.systems,
        backups=site.backups,
        archives=site.archives,
        queue=site.wire,
        clock=site.clock,
        find_erased=partial(list_erasures, site.table),
        frequency="daily",
    )
    site.deploy(name="untested", test_restores=False)
    begun = 0
    for _ in range(14 * 24):
        site.later(hours=1)
        begun += service.schedule(site.now)["tests"]
        while site.wire.waiting:
            _, message = site.wire.waiting.pop()
            service.handle(message, lambda: 900.0)
    assert begun == 2
    proven = [b for b in site.backups.list_all(system.system_id) if b.restore_proven_at]
    assert len(proven) == 2
    assert site.dump_generation(system.system_id, 2) == {}
    alert = AlertStore(site.table).find(system.scope, AlertName(None, "restore_test"))
    assert alert is not None
    assert alert.state == "ok"


def test_a_restore_that_wrote_something_else_is_never_seen(
    site: RestoreSite, system: System
) -> None:
    """Between the writing and the comparison somebody changes an item."""
    work(site, system)
    backup = site.back_up(system)
    site.later(minutes=1)
    restore = site.begin_restore(system, backup)
    while site.read_restore(restore).phase != "comparing":
        site.left = lambda: 900.0 if site.read_restore(restore).phase != "comparing" else 1.0
        assert site.deliver_next()
    bucket = next(i for i in site.table.dump() if f"{system.system_id}@2#METRICS" in i["pk"])
    site.table.write(Update(Key(bucket["pk"], bucket["sk"]), {}, {"arrivals": 1}))
    site.left = lambda: 900.0
    site.deliver_all()
    failed = site.read_restore(restore)
    assert failed.status == "failed"
    assert failed.reasons[0].endswith("is not as it was backed up: arrivals")
    opened = site.systems.get(system.system_id)
    assert (opened.state, opened.generation) == ("active", 1)
    assert site.dump_generation(system.system_id, 2) == {}


def test_a_dry_run_finds_damage_and_versions_that_cannot_be_read(
    site: RestoreSite, system: System
) -> None:
    backup = site.back_up(system)
    name = damage(site, backup, "crew_configurations")
    restore = site.restore(system, backup, dry_run=True)
    assert (restore.status, restore.outcome) == ("failed", "failed")
    assert name in restore.reasons[0]
    assert site.systems.get(system.system_id).state == "active"


def test_a_safety_backup_is_made_and_brings_back_what_was_replaced(
    site: RestoreSite, system: System
) -> None:
    backup = site.back_up(system)
    site.later(hours=1)
    since = site.run_task(system)
    site.later(minutes=1)
    restore = site.restore(system, backup)
    restored = site.systems.get(system.system_id)
    with pytest.raises(NotFound):
        site.tasks.get_view(restored.scope, since)
    safety = site.backups.get(system.system_id, str(restore.safety_backup_id))
    assert (safety.origin, safety.is_good) == ("safety", True)
    assert site.restore(restored, safety).outcome == "restored"
    restored = site.systems.get(system.system_id)
    assert site.tasks.get_view(restored.scope, since).status == "succeeded"


def test_a_safety_backup_that_fails_opens_the_system_again(
    site: RestoreSite, system: System
) -> None:
    backup = site.back_up(system)
    site.later(minutes=1)
    restore = site.begin_restore(system, backup)
    site.deliver_next()

    def fail() -> None:
        raise OSError("S3 is away")

    site.s3.before_write = fail
    site.deliver_all()
    failed = site.read_restore(restore)
    assert (failed.status, failed.reasons[0].startswith("the safety backup")) == ("failed", True)
    assert site.systems.get(system.system_id).state == "active"
