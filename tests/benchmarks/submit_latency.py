"""How long `POST …/tasks` takes through the local API, and a bare handler beside it.

`.ci/uv run python tests/benchmarks/submit_latency.py`. Prints one JSON object last: `p50_ms` and
`p95_ms` of a submit to a crew whose only slot is held, so that no worker runs meanwhile, and
`bare_p50_ms`, `bare_p95_ms` of a Powertools handler with validation that stores nothing. Both are
behind an HTTP API of the same emulator and asked in turn; the bare one has no authorizer, whose
answer is cached for the other.
"""

import io
import json
import os
import statistics
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "functions")]

from infra.environment import load_target  # noqa: E402 - by path, as a script
from infra.local.api import Api  # noqa: E402
from infra.local.emulator import Emulator, run_emulator  # noqa: E402
from infra.local.service import deploy_service, prepare_service  # noqa: E402
from tests import systems  # noqa: E402
from tests.openai_server import Message, OpenAIServer  # noqa: E402

ROUNDS = 200
WARM_UP = 10
BARE = """
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from pydantic import BaseModel

app = APIGatewayHttpResolver(enable_validation=True)


class Request(BaseModel):
    description: str
    crew_name: str


@app.post("/tasks")
def submit(request: Request) -> dict[str, str]:
    return {"status": "queued"}


def lambda_handler(event, context):
    return app.resolve(event, context)
"""
REQUEST = {"description": "Ships follow a light.", "crew_name": "research"}


def main() -> None:
    prepare_service()
    released = threading.Event()

    def hold(_: Any) -> Message:
        released.wait()
        return {"role": "assistant", "content": "Done."}

    url = load_target("development").environment.model_base_urls[-1]
    log = Path(tempfile.mkdtemp()) / "emulator.log"
    with OpenAIServer(hold, port=url.port or 80), run_emulator(log) as emulator:
        ours, bare = deploy_service(emulator).api, deploy_bare(emulator)
        path = hold_slot(ours, str(url))
        calls = {
            "": lambda: ours.post(path, REQUEST),
            "bare_": lambda: bare.post("/tasks", REQUEST),
        }
        times = measure(calls)
        released.set()
    figures = {
        f"{name}p{share}_ms": round(statistics.quantiles(series, n=100)[share - 1], 1)
        for name, series in times.items()
        for share in (50, 95)
    }
    print(json.dumps(figures | {"rounds": ROUNDS, "cores": os.cpu_count()}))


def deploy_bare(emulator: Emulator) -> Api:
    """The bare handler on the base layer, behind an HTTP API of its own."""
    functions, gateway = emulator.open_client("lambda"), emulator.open_client("apigatewayv2")
    model = next(
        f for f in functions.list_functions()["Functions"] if f["Handler"] == "api.lambda_handler"
    )
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("bare.py", BARE)
    arn = functions.create_function(
        FunctionName="bare",
        Runtime="python3.13",
        Handler="bare.lambda_handler",
        Role=model["Role"],
        Code={"ZipFile": code.getvalue()},
        Layers=[layer["Arn"] for layer in model["Layers"]],
        MemorySize=model["MemorySize"],
        Timeout=20,
    )["FunctionArn"]
    api_id = gateway.create_api(Name="bare", ProtocolType="HTTP")["ApiId"]
    integration = gateway.create_integration(
        ApiId=api_id,
        IntegrationType="AWS_PROXY",
        IntegrationUri=arn,
        PayloadFormatVersion="2.0",
    )["IntegrationId"]
    gateway.create_route(ApiId=api_id, RouteKey="$default", Target=f"integrations/{integration}")
    gateway.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    return Api(f"{emulator.endpoint}/_aws/execute-api/{api_id}", None)


def hold_slot(api: Api, base_url: str) -> str:
    """The path to submit to: of a crew of capacity one, whose task does not end."""
    llm = {"model": "openai/local", "base_url": base_url}
    crew = systems.crew(agents=[systems.agent(llm=llm)], max_agents=1)
    answer = api.post("/crews", systems.system(crews=[crew]), {"Prefer": "wait=10"})
    system = f"/crews/{answer.json['system_id']}"
    while api.get(system).json["state"] != "active":
        time.sleep(0.2)
    task = api.post(f"{system}/tasks", REQUEST).json["task_id"]
    while api.get(f"{system}/tasks/{task}").json["status"] != "running":
        time.sleep(0.2)
    return f"{system}/tasks"


def measure(calls: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    """Milliseconds of each call, in turn."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(WARM_UP + ROUNDS):
        for name, call in calls.items():
            started = time.perf_counter()
            answer = call()
            times[name].append(1000 * (time.perf_counter() - started))
            assert answer.status in {200, 202}, answer
    return {name: series[WARM_UP:] for name, series in times.items()}


if __name__ == "__main__":
    main()
