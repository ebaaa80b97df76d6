"""Pausing, of systems that had more crews than one transaction can hold."""

from typing import TYPE_CHECKING, cast

import pytest

from quarterdeck.blobs import BlobStore
from quarterdeck.names import read_clock
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.systems.lifecycle import pause_system, unpause_system
from quarterdeck.systems.records import System
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import Update
from tests import systems
from tests.fakes import FakeTable
from tests.faults import Crash

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

GENERATIONS = 3
CREWS = 50


@pytest.fixture
def table() -> FakeTable:
    return FakeTable()


@pytest.fixture
def store(table: FakeTable) -> SystemStore:
    return SystemStore(table, BlobStore(cast("S3Client", None), "unused"))


@pytest.fixture
def system(store: SystemStore) -> System:
    """Whose crews have had other names twice, and have tasks still."""

    def name_crews(generation: int) -> dict[str, object]:
        names = [f"crew-{generation}-{number}" for number in range(CREWS)]
        return systems.system(crews=[systems.crew(name) for name in names])

    system = systems.deploy(store, name_crews(1))
    for generation in range(2, GENERATIONS + 1):
        configuration = SystemConfiguration.model_validate(name_crews(generation))
        store.begin_version(system, configuration, read_clock())
        for name in system.crews:
            store.table.write(Update(system.scope.crew_key(name), {"running": 1}, {}))
        system = systems.activate(store, system.system_id)
    return system


def count_paused(table: FakeTable) -> int:
    return sum("paused" in item for item in table.dump() if item["sk"] == "CREW")


def test_a_pause_is_of_every_crew_there_was(
    store: SystemStore, table: FakeTable, system: System
) -> None:
    paused = pause_system(store, system, read_clock())
    assert (paused.state, count_paused(table)) == ("paused", GENERATIONS * CREWS)
    assert unpause_system(store, paused, read_clock()).state == "active"
    assert count_paused(table) == 0


def test_a_pause_that_breaks_off_can_be_asked_for_again(
    store: SystemStore, table: FakeTable, system: System
) -> None:
    def break_off() -> None:
        raise Crash

    table.calls.after_write = break_off
    with pytest.raises(Crash):
        pause_system(store, system, read_clock())
    assert 0 < count_paused(table) < GENERATIONS * CREWS
    table.calls.after_write = lambda: None
    assert pause_system(store, store.get(system.system_id), read_clock()).state == "paused"
    assert count_paused(table) == GENERATIONS * CREWS
