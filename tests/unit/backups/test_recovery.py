"""The table is lost: systems come back from their archives, or from a copy of the table."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from infra.recover import copy_table
from quarterdeck.backups.recovery import Recovery
from quarterdeck.keys import backup_key
from quarterdeck.systems.records import System
from quarterdeck.table import Table
from tests import account, systems
from tests.restore_site import RestoreSite


@pytest.fixture
def site() -> RestoreSite:
    return RestoreSite()


def work(site: RestoreSite, system: System) -> tuple[str, str]:
    done = site.run_task(system, description="d" * 40_000)
    waiting = site.submit(system)
    site.remember(system, "Foxes are red")
    return done, waiting


def lose_table(site: RestoreSite) -> None:
    site.table.dynamodb.items.clear()


def recover(site: RestoreSite) -> tuple[int, list[str]]:
    told: list[str] = []
    recovery = Recovery(
        site.systems,
        site.backups,
        site.archives,
        "daily",
        site.find_erased,
        site.clock,
        told.append,
    )
    return recovery.recover(), told


def test_every_system_comes_back_as_of_its_newest_backup(site: RestoreSite) -> None:
    desk, shop = site.deploy(retention_days=3), site.deploy(name="shop")
    done, waiting = work(site, desk)
    first = site.back_up(desk)
    site.later(hours=1)
    later = site.run_task(desk)
    last, of_shop = site.back_up(desk), site.back_up(shop)
    site.later(days=1)
    lose_table(site)

    lost, told = recover(site)
    assert lost == 0
    assert sorted(told) == sorted(
        [
            f"{desk.system_id}: 'desk' is as of {last.started_at}: 17 items, 1 tasks interrupted",
            f"{shop.system_id}: 'shop' is as of {of_shop.started_at}: 2 items, 0 tasks interrupted",
        ]
    )
    back = site.systems.get(desk.system_id)
    assert (back.name, back.state, back.current_version) == ("desk", "active", 1)
    for task, status in {done: "succeeded", later: "succeeded", waiting: "interrupted"}.items():
        assert site.tasks.get_view(back.scope, task).status == status
    known = site.backups.list_all(desk.system_id)
    assert [b.backup_id for b in known] == [first.backup_id, last.backup_id]
    proven = site.backups.get(desk.system_id, last.backup_id)
    assert (proven.is_good, bool(proven.restore_proven_at)) == (True, True)
    assert proven.expires == last.expires
    assert site.systems.get_plan(back).retention_days == 3
    site.run_task(back)
    assert site.back_up(back).is_good


def test_it_can_be_run_again(site: RestoreSite) -> None:
    system = site.deploy()
    work(site, system)
    site.back_up(system)
    lose_table(site)
    recover(site)
    before = site.table.dump()
    assert recover(site) == (0, [f"{system.system_id}: is there, active"])
    assert site.table.dump() == before


def test_a_damaged_backup_is_told_and_the_one_before_it_taken(site: RestoreSite) -> None:
    system = site.deploy()
    done, _ = work(site, system)
    site.back_up(system)
    site.later(hours=1)
    last = site.back_up(system)
    chunk = site.archives.open(last).manifest.list_chunks("task_histories")[0].name
    del site.s3.objects[site.objects.bucket, last.archive.locate(chunk)]
    lose_table(site)
    lost, told = recover(site)
    assert lost == 0
    assert any(chunk in line for line in told)
    back = site.systems.get(system.system_id)
    assert site.tasks.get_view(back.scope, done).status == "succeeded"
    assert site.table.get(backup_key(system.system_id, last.backup_id))


def test_a_system_without_a_whole_backup_is_said_to_be_lost(site: RestoreSite) -> None:
    system = site.deploy()
    backup = site.back_up(system)
    del site.s3.objects[site.objects.bucket, backup.archive.locate("head")]
    lose_table(site)
    lost, told = recover(site)
    assert (lost, told[-1]) == (
        1,
        f"{system.system_id}: IS LOST: none of its backups is whole",
    )
    assert site.table.dump() == []


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    for name, value in account.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with account.mock_account():
        client = boto3.client("dynamodb")
        account.create_table(client)
        yield Table(client, "quarterdeck")


def test_a_copy_of_the_table_is_copied_back(tables: Table, site: RestoreSite) -> None:
    """moto has one table of the state's shape; another, with the keys alone, is the copy."""
    client: Any = tables.client
    client.create_table(
        TableName="as-it-was",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=account.describe_keys("pk", "sk"),
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")
        ],
    )
    system = systems.deploy(site.systems, systems.system())
    site.run_task(system)
    items = [item for some in site.table.dynamodb.items.values() for item in some.values()]
    for item in items:
        client.put_item(TableName="as-it-was", Item=item)
    assert copy_table(client, "as-it-was", "quarterdeck") == len(items)
    found = client.scan(TableName="quarterdeck")["Items"]
    assert sorted(map(str, map(sort_item, found))) == sorted(map(str, map(sort_item, items)))
    assert copy_table(client, "as-it-was", "quarterdeck") == 0


def sort_item(item: Any) -> list[Any]:
    return sorted(item.items())
