"""A restore brings back what was, whole, and nothing that could run."""

import pytest

from quarterdeck.backups.archive.layout import Part
from quarterdeck.systems.records import System
from quarterdeck.table import Item
from tests import systems
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
    restored = site.systems.get(system.system_id)
    assert (restored.state, restored.generation, restored.current_version) == ("active", 2, 2)
    after = site.dump_generation(system.system_id, 2)
    assert after[f"TASK#{done}", "END"] == before[f"TASK#{done}", "END"]
    assert {after[f"TASK#{task}", "STATE"]["status"] for task in (waiting, running)} == {
        "interrupted"
    }
    assert (f"TASK#{since}", "STATE") not in after
    assert site.dump_generation(system.system_id, 1) == {}


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
