"""Several things at once: in order, at most so many, and the monitor's minute by it."""

import threading
import time
from datetime import UTC, datetime

import pytest

from quarterdeck.abreast import map_abreast
from quarterdeck.table import Update
from tests.monitor_site import Site

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize("at_once", [1, 4])
def test_the_results_come_in_the_order_of_the_items(at_once: int) -> None:
    def wait(number: int) -> int:
        time.sleep((10 - number) / 1000)
        return number

    assert list(map_abreast(wait, range(10), at_once)) == list(range(10))


def test_so_many_run_at_once() -> None:
    all_here = threading.Barrier(4, timeout=10)
    assert list(map_abreast(lambda _: all_here.wait(), range(4), 4))


def test_what_is_raised_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_abreast(lambda number: 1 // number, [1, 0], 2))


def test_systems_side_by_side_come_to_the_same_as_one_after_the_other() -> None:
    told = []
    for at_once in (1, 8):
        site = Site(NOON, at_once=at_once)
        desks = [site.deploy(f"desk-{number}", cooldown_period=60) for number in range(12)]
        for _ in range(6):
            for number, system in enumerate(desks):
                running = {"running": site.capacity(system)}
                site.table.write(Update(system.scope.crew_key("research"), running, {}))
                site.work(system, arrivals=number, failed=number, running_ms=90_000 * number)
            done = site.look()
        capacities = [site.capacity(system) for system in desks]
        alerts = sorted((a.system, a.metric, a.state) for a in site.wire.sent)
        told.append((done, capacities, alerts, len(site.emitted)))
    assert told[0] == told[1]
    assert told[0][0]["systems"] == 12
    assert max(told[0][1]) > 1
