"""Thousands of tasks through workers that are killed and messages that come twice, then an audit.

`.ci/uv run python tests/benchmarks/soak.py [--tasks 2000] [--crews 20] [--workers 2]`. On the
emulator: its DynamoDB, S3 and SQS, our submission, admission, upkeep and `Worker` with crewai; the
model is a local server that answers at once. 5 % of the runs lose their process at a call: before
it, between its answer and its record, or after; 2 % of the messages are sent twice. A lease is 12 s
and beaten each 3 s, in place of 120 s and 30 s, so that the reaper, which has its own clock and
rules, need not be waited for. SQS gives a message again after 10 s.

Prints what happened, and one JSON object last:
`tasks`; `lost`: that did not end as succeeded with their answer and every call counted once;
`double_outcomes`: by how much the outcomes in metrics differ from the tasks; `repeated_calls`: at
the provider, but those in flight at a kill; `priority_violations`: dispatched while a lower (rank,
task id) of the crew was queued; `tasks_per_second`, from the first submit to the last end.
Exits with 1 if one of these is wrong, a slot, lease or entry is left, or a live worker was reaped.
"""

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATHS = [str(ROOT), str(ROOT / "functions"), str(ROOT / "layers/crewai/stubs")]
sys.path[:0] = PATHS

from infra.local.emulator import run_emulator  # noqa: E402 - by path, as a script
from quarterdeck.observability import logger  # noqa: E402
from quarterdeck.systems.records import System  # noqa: E402
from quarterdeck.tasks.store import TaskStore  # noqa: E402
from tests.benchmarks import soak_audit  # noqa: E402
from tests.benchmarks.soak_desks import answer, deploy_desks, read_prompt  # noqa: E402
from tests.benchmarks.soak_rounds import Passage, run_soak  # noqa: E402
from tests.benchmarks.soak_site import Facts, Site, prepare_site, read_facts  # noqa: E402
from tests.benchmarks.soak_worker import KILLED_CODE  # noqa: E402
from tests.openai_server import OpenAIServer  # noqa: E402


class Options(argparse.Namespace):
    tasks: int
    crews: int
    workers: int


def main() -> int:
    options = read_options()
    os.environ["PYTHONPATH"] = os.pathsep.join(PATHS)  # for the process that workers fork from
    logger.setLevel("ERROR")
    directory = Path(tempfile.mkdtemp(prefix="soak-"))
    print(f"Logs, and what was seen: {directory}", flush=True)
    with OpenAIServer(answer) as model, run_emulator(directory / "emulator.log") as emulator:
        site = prepare_site(emulator, directory)
        systems = deploy_desks(site, options.crews, model.url)
        passage = run_soak(site, systems, options.tasks, options.workers)
        requests = Counter(read_prompt(body) for body in model.requests)
        return report(site, systems, passage, requests)


def read_options() -> Options:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--crews", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args(namespace=Options())


def report(
    site: Site, systems: Sequence[System], passage: Passage, requests: Counter[tuple[str, int]]
) -> int:
    """Prints what there is to know; the exit code."""
    facts, table = read_facts(site.seen), site.open_table()
    views = soak_audit.read_views(TaskStore(table, site.open_blobs()), passage.tasks)
    wrong = [fault for item in views.items() if (fault := soak_audit.judge_end(*item))]
    faults = {
        "lost": len(wrong),
        "double_outcomes": soak_audit.count_double_outcomes(table, views),
        "repeated_calls": soak_audit.count_repeated(requests, facts, passage.tasks),
        "priority_violations": soak_audit.count_priority_violations(facts),
    }
    leftovers = [*soak_audit.find_leftovers(table, systems), *find_surprises(passage, facts)]
    describe(passage, facts, requests)
    print("\n".join(wrong[:10] + leftovers), end="\n" if wrong or leftovers else "")
    speed = round(len(passage.tasks) / passage.seconds, 2)
    print(json.dumps({"tasks": len(passage.tasks), **faults, "tasks_per_second": speed}))
    return 1 if any(faults.values()) or leftovers else 0


def find_surprises(passage: Passage, facts: Facts) -> Iterator[str]:
    alive = passage.reaped - len(facts["killed"])
    if alive:
        yield f"{alive} more workers were reaped than killed: they lived, or had failed"
    for code, times in passage.exits.items():
        if code != KILLED_CODE:
            yield f"{times} workers ended by themselves, with {code}"


def describe(passage: Passage, facts: Facts, requests: Counter[tuple[str, int]]) -> None:
    places = Counter(kill["place"] for kill in facts["killed"])
    kills = ", ".join(f"{number} {place}" for place, number in sorted(places.items()))
    print(
        f"{len(facts['taken'])} dispatches in {passage.seconds:.0f} s, "
        f"{len(facts['duplicated'])} messages sent twice, "
        f"{len(facts['killed'])} workers killed at a call ({kills} the record), "
        f"{passage.reaped} reaped, {requests.total()} requests to the model"
    )


if __name__ == "__main__":
    sys.exit(main())
