"""What a minute of the monitor costs for each system that has something to do.

`.ci/uv run python tests/benchmarks/monitor.py [--systems 100 500 2000]`. On DynamoDB's rules in
memory, in one process: admission, capacity, alerts and metrics of so many active systems with one
crew each, in the second minute of a process. A tenth as many idle ones again are beside them.

Prints one JSON object: by the number of active systems, `requests_per_system` to DynamoDB,
`cpu_ms_per_system` and `seconds` of the whole, both without the time that the store took.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "functions"), str(ROOT / "layers/crewai/stubs")]

from quarterdeck.leases import list_due  # noqa: E402
from quarterdeck.metrics.buckets import add_counters  # noqa: E402 - by path, as a script
from quarterdeck.observability import logger  # noqa: E402
from quarterdeck.systems.activity import mark_active  # noqa: E402
from quarterdeck.tasks.upkeep import Upkeep  # noqa: E402
from tests.monitor_site import Site, Unread  # noqa: E402
from tests.postbox import make_announcer  # noqa: E402

MINUTE = timedelta(minutes=1)
BUSY = {"arrivals": 4, "succeeded": 4, "response_ms": 40_000, "running_ms": 40_000}
READS = ("get_item", "query")
WRITES = ("put_item", "update_item", "delete_item", "transact_write_items")


class Meter:
    """Counts the calls of a client, and the time in them."""

    def __init__(self, client: Any) -> None:
        self.calls = 0
        self.seconds = 0.0
        self.cpu = 0.0
        for name in (*READS, *WRITES):
            setattr(client, name, self._measure(getattr(client, name)))

    def _measure(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def measured(**request: Any) -> Any:
            began, used = time.perf_counter(), time.process_time()
            try:
                return call(**request)
            finally:
                self.calls += 1
                self.seconds += time.perf_counter() - began
                self.cpu += time.process_time() - used

        return measured

    def reset(self) -> None:
        self.calls, self.seconds, self.cpu = 0, 0.0, 0.0


def measure(count: int) -> dict[str, float]:
    site = Site(datetime(2026, 11, 23, 12, tzinfo=UTC))
    active = [site.deploy(f"desk-{number}") for number in range(count)]
    for number in range(count // 10):
        site.deploy(f"idle-{number}")
    upkeep = Upkeep(
        site.table,
        site.systems.blobs,
        Unread(),
        make_announcer(site.table, site.systems.blobs, lambda: site.now),
        lambda: site.now,
    )
    meter = Meter(site.table.client)
    began = used = 0.0
    for _ in range(2):
        for system in active:
            mark_active(site.table, system.system_id, site.now)
            site.table.write(add_counters(system.scope, "research", site.now, BUSY))
        meter.reset()
        began, used = time.perf_counter(), time.process_time()
        upkeep.settle_due(list_due(upkeep.table, upkeep.clock()))
        upkeep.admit_everywhere()
        assert site.round.look(site.now, lambda: 1e9)["systems"] == count
        began, used = time.perf_counter() - began, time.process_time() - used
        site.now += MINUTE
    return {
        "requests_per_system": round(meter.calls / count, 2),
        "cpu_ms_per_system": round(1000 * (used - meter.cpu) / count, 3),
        "seconds": round(began - meter.seconds, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", type=int, nargs="+", default=[100, 500, 2000])
    counts = parser.parse_args().systems
    logger.setLevel("ERROR")
    print(json.dumps({str(count): measure(count) for count in counts}))


if __name__ == "__main__":
    main()
