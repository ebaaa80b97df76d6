"""Our storage beside crewai's on LanceDB: `.ci/uv run python tests/benchmarks/memory.py`.

Prints one JSON object last, each figure for 1,000 and 10,000 records (or those given) of 1,024
normal random numbers, than which nothing is harder to tell apart. Both storages are searched for
the ten nearest as crewai searches, in processes of their own, one after the other:

- `search_ms_p50`, `lancedb_ms_p50` of a warm process, and `search_ratio_p50`, ours to theirs;
- `recall_at_10`: of the ten that are nearest in full precision, what our storage finds;
- `cold_open_s`: the first search of a new process, and `cold_read_mb`, what it reads for it;
- `rss_mb`, `lancedb_rss_mb`: how much larger searching made the process.

The table is DynamoDB in memory behind botocore itself, and each request sleeps REQUEST_MS, as the
network would; what the fake itself takes is taken off. LanceDB reads a local disk, compacted.
"""

import base64
import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "functions"), str(ROOT / "layers/crewai/stubs")]
os.environ |= {"AWS_ACCESS_KEY_ID": "-", "AWS_SECRET_ACCESS_KEY": "-", "AWS_REGION": "eu-west-1"}
warnings.simplefilter("ignore", DeprecationWarning)  # crewai's own

from quarterdeck.process import prepare_process  # noqa: E402 - by path, as a script

prepare_process()

import boto3  # noqa: E402
from botocore.awsrequest import AWSResponse, HTTPHeaders  # noqa: E402
from crewai.memory.types import MemoryRecord  # noqa: E402

from quarterdeck.table import Table  # noqa: E402
from tests.fake_dynamodb import FakeDynamoDB  # noqa: E402
from tests.fakes import FakeTable  # noqa: E402
from tests.memories import open_store  # noqa: E402

COUNTS = ("1000", "10000")
DIMENSIONS = 1_024
SEARCHES = 60
REQUEST_MS = 5
SCOPE = "/crew/desk"
SENTENCE = "The keeper trims the lamp before the ships come in, and writes down which. "


def main(counts: tuple[str, ...]) -> None:
    measured = {count: measure(int(count)) for count in counts}
    names = measured[counts[0]]
    print(json.dumps({name: {n: each[name] for n, each in measured.items()} for name in names}))


def measure(count: int) -> dict[str, float]:
    import numpy as np

    rng = np.random.default_rng(count)
    vectors, queries = (
        normal / np.linalg.norm(normal, axis=1, keepdims=True)
        for normal in (rng.standard_normal((n, DIMENSIONS)) for n in (count, SEARCHES))
    )
    with tempfile.TemporaryDirectory() as home:
        place = Path(home)
        (place / "queries").write_bytes(pickle.dumps(queries.tolist()))
        fill(place, [make_record(n, vector.tolist()) for n, vector in enumerate(vectors)])
        ours, lancedb = run("ours", place), run("lancedb", place)
    nearest = [set(np.argsort(-(vectors @ query))[:10]) for query in queries]
    hits = sum(len(n & set(found)) for n, found in zip(nearest, ours["found"], strict=True))
    return {
        "search_ratio_p50": round(ours["p50"] / lancedb["p50"], 2),
        "search_ms_p50": ours["p50"],
        "lancedb_ms_p50": lancedb["p50"],
        "recall_at_10": round(hits / (10 * SEARCHES), 4),
        "cold_open_s": ours["first"],
        "cold_read_mb": ours["read_mb"],
        "rss_mb": ours["rss_mb"],
        "lancedb_rss_mb": lancedb["rss_mb"],
    }


def make_record(number: int, vector: list[float]) -> MemoryRecord:
    return MemoryRecord(
        id=f"record-{number}",
        content=f"{number}: {SENTENCE * 3}",
        scope=f"{SCOPE}/{number % 10}",
        categories=["towers"],
        embedding=vector,
    )


def fill(place: Path, records: list[MemoryRecord]) -> None:
    from quarterdeck.memory.backend import TableStorage
    from tests.lancedb_packages import add_lancedb

    table = FakeTable()
    TableStorage(open_store(table)).save(records)
    (place / "items").write_bytes(pickle.dumps(table.dynamodb.items))
    add_lancedb()
    from crewai.memory.storage.lancedb_storage import LanceDBStorage

    lancedb = LanceDBStorage(place / "lancedb")
    for first in range(0, len(records), 100):
        lancedb.save(records[first : first + 100])
    lancedb.optimize()


def run(name: str, place: Path) -> Any:
    done = subprocess.run(
        [sys.executable, __file__, name, str(place)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def search_ours(place: Path) -> None:
    server = Server(pickle.loads((place / "items").read_bytes()))

    def open_ours() -> Any:
        from quarterdeck.memory.backend import TableStorage

        return TableStorage(open_store(Table(server.connect(), "quarterdeck")))

    figures = search(place, open_ours, lambda: server.busy)
    print(json.dumps(figures | {"read_mb": round(server.sent / 1e6, 1)}))


def search_lancedb(place: Path) -> None:
    def open_lancedb() -> Any:
        from tests.lancedb_packages import add_lancedb

        add_lancedb()
        from crewai.memory.storage.lancedb_storage import LanceDBStorage

        return LanceDBStorage(place / "lancedb", compact_every=0)

    print(json.dumps(search(place, open_lancedb)))


def search(
    place: Path, open_storage: Callable[[], Any], read_others: Callable[[], float] = lambda: 0.0
) -> dict[str, Any]:
    """`read_others`: the seconds so far that are not the storage's."""
    queries = pickle.loads((place / "queries").read_bytes())
    before, times, found = read_rss(), [], []
    storage: Any = None
    for query in [queries[0], *queries]:
        started, others = time.perf_counter(), read_others()
        storage = storage or open_storage()
        answer = storage.search(query, scope_prefix=SCOPE, limit=10)
        times.append(time.perf_counter() - started - (read_others() - others))
        found.append([int(record.id.removeprefix("record-")) for record, _ in answer])
    return {
        "first": round(times[0], 2),
        "p50": round(statistics.median(times[1:]) * 1e3, 1),
        "rss_mb": round(read_rss() - before),
        "found": found[1:],
    }


def read_rss() -> float:
    """Megabytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1_000
    raise RuntimeError("/proc/self/status has no VmRSS")


class Server:
    """Answers botocore's requests, in place of the network."""

    def __init__(self, items: Any) -> None:
        self.dynamodb = FakeDynamoDB()
        self.dynamodb.items = items
        self.sent = 0
        self.busy = 0.0

    def connect(self) -> Any:
        client = boto3.client("dynamodb", "eu-west-1")
        client.meta.events.register("before-send.dynamodb", self.answer)
        return client

    def answer(self, request: Any, **_: Any) -> Any:
        started = time.perf_counter()
        answer = self.dynamodb.query(**json.loads(request.body))
        body = json.dumps(answer, default=lambda held: base64.b64encode(held).decode()).encode()
        self.sent += len(body)
        self.busy += time.perf_counter() - started
        time.sleep(REQUEST_MS / 1_000)
        return AWSResponse(request.url, 200, HTTPHeaders(), Raw(body))


class Raw(BytesIO):
    def stream(self, *_: Any, **__: Any) -> Any:
        yield self.read()


if __name__ == "__main__":
    if sys.argv[1:2] == ["ours"]:
        search_ours(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["lancedb"]:
        search_lancedb(Path(sys.argv[2]))
    else:
        main(tuple(sys.argv[1:]) or COUNTS)
