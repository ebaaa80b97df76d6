"""What the largest systems cost the deployer: `.ci/uv run python tests/benchmarks/deploy.py`.

Deploys 50 crews of 10 agents with the stand-in model, then a version that bounds the capacity of
each, by the real Deployer on a table and a bucket of moto in this process. Prints one JSON object
last: `seconds` of each deployment, `build_seconds` of it in crewai, `requests` to DynamoDB and S3,
and `rss_mb`, the most that the process ever had, with crewai and moto in it.
"""

import json
import os
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from unittest import mock

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "functions"), str(ROOT / "layers/crewai/stubs")]
os.environ["CREWAI_STORAGE_DIR"] = tempfile.mkdtemp()

from quarterdeck.process import prepare_process  # noqa: E402 - by path, as a script

prepare_process()

import boto3  # noqa: E402
from moto import mock_aws  # noqa: E402

from quarterdeck.blobs import BlobStore  # noqa: E402
from quarterdeck.execution import deployment  # noqa: E402
from quarterdeck.execution.crews import check_crew  # noqa: E402
from quarterdeck.execution.deployment import Deployer  # noqa: E402
from quarterdeck.execution.tool_function import ToolFunction  # noqa: E402
from quarterdeck.names import generate_id, read_clock  # noqa: E402
from quarterdeck.systems.configuration import SystemConfiguration  # noqa: E402
from quarterdeck.systems.store import SystemStore  # noqa: E402
from quarterdeck.table import Table  # noqa: E402
from quarterdeck.tasks.queue import DeploymentMessage, LifecycleMessage, Queue  # noqa: E402
from tests import systems  # noqa: E402
from tests.account import ENVIRONMENT, prepare_account  # noqa: E402

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

CREWS = 50
AGENTS = 10
INVOCATION_SECONDS = 300.0
BACKSTORY = "The keeper trims the lamp before the ships come in. " * 20


@dataclass
class Meter:
    """What was spent since it was read."""

    requests: int = 0
    build_seconds: float = 0.0

    def count_request(self, **_: Any) -> None:
        self.requests += 1

    def check_crew(self, *arguments: Any) -> None:
        started = time.perf_counter()
        check_crew(*arguments)
        self.build_seconds += time.perf_counter() - started


def main() -> None:
    os.environ |= ENVIRONMENT
    meter = Meter()
    with mock_aws(), mock.patch.object(deployment, "check_crew", meter.check_crew):
        prepare_account()
        clients = boto3.client("dynamodb"), boto3.client("s3")
        for client in clients:
            client.meta.events.register("before-call", meter.count_request)
        store = SystemStore(Table(clients[0], "quarterdeck"), BlobStore(clients[1], "quarterdeck"))
        system = store.create(generate_id(), configure(min_agents=AGENTS), read_clock())
        first = deploy(store, meter, system.system_id, 1)
        store.begin_version(store.get(system.system_id), configure(max_agents=1), read_clock())
        further = deploy(store, meter, system.system_id, 2)
        capacities = [crew.capacity for crew in store.list_crews(store.get(system.system_id))]
        assert capacities == [1] * CREWS, capacities
    figures = {"first": first, "further": further}
    named = {name: {of: each[name] for of, each in figures.items()} for name in first}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({**named, "rss_mb": round(peak / 1024)}))


def configure(**bounds: int) -> SystemConfiguration:
    agents = [systems.agent(f"Agent {number}", backstory=BACKSTORY) for number in range(AGENTS)]
    crews = [systems.crew(f"crew-{number}", agents=agents, **bounds) for number in range(CREWS)]
    return SystemConfiguration.model_validate(systems.system(crews=crews))


def deploy(store: SystemStore, meter: Meter, system_id: str, number: int) -> dict[str, float]:
    deployer = Deployer(
        systems=store,
        queue=cast(Queue[LifecycleMessage], None),
        read_secret=lambda name: name,
        base_urls=(),
        backup_frequency="daily",
        clock=read_clock,
        manifest={},
        tools=ToolFunction(cast("LambdaClient", None), "no tool is called"),
    )
    meter.requests, meter.build_seconds = 0, 0.0
    started = time.perf_counter()
    deployer.deploy(
        DeploymentMessage(system_id=system_id, number=number), lambda: INVOCATION_SECONDS
    )
    seconds = time.perf_counter() - started
    requests = meter.requests
    assert store.get_deployment(system_id, number).status == "succeeded"
    return {
        "seconds": round(seconds, 1),
        "build_seconds": round(meter.build_seconds, 1),
        "requests": requests,
    }


if __name__ == "__main__":
    main()
