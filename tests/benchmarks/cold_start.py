"""How long functions take to import as on Lambda: from layers and bundle, with their .pyc files.

.ci/uv run python tests/benchmarks/cold_start.py      prints one JSON object last
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

# A script's path begins at its own directory.
sys.path.insert(0, str(Path(__file__).parents[2]))

from layers.archive import measure_zip
from layers.build import build_all
from layers.trees import compile_tree
from tests.runtime.sandbox import ENVIRONMENT, Sandbox, prepare_sandbox

ROUNDS = 9

# What any API on Powertools imports. The client is apart, since `api` makes its own at its first
# event: compare with `bare_without_client_import_ms` too.
BARE = """
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from pydantic import BaseModel
import boto3

class Order(BaseModel):
    name: str

logger = Logger(service="bare")
app = APIGatewayHttpResolver(enable_validation=True)

@app.post("/orders")
def create_order(order: Order) -> dict[str, str]:
    return {"name": order.name}

def lambda_handler(event, context):
    return app.resolve(event, context)
"""
CLIENT = 'table = boto3.client("dynamodb")\n'

TIME_IMPORT = """
import importlib, time
started = time.perf_counter()
importlib.import_module(sys.argv[1])
print(time.perf_counter() - started)
"""


def time_import(sandbox: Sandbox, module: str) -> float:
    """Seconds that a new process takes to import a module of the sandbox."""
    finished = subprocess.run(
        sandbox.run_code(TIME_IMPORT, module),
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(finished.stdout.splitlines()[-1])


def measure_imports(sandbox: Sandbox) -> dict[str, float]:
    """Median seconds of each module, all measured in turn so that load falls on each alike."""
    with tempfile.TemporaryDirectory() as directory:
        task = Path(directory)
        (task / "bare.py").write_text(BARE + CLIENT)
        (task / "bare_without_client.py").write_text(BARE)
        compile_tree(task, "/var/task")
        bare = Sandbox(task=task, opt=sandbox.opt)
        modules = {"bare": bare, "bare_without_client": bare, "api": sandbox, "worker": sandbox}
        rounds = [
            {module: time_import(place, module) for module, place in modules.items()}
            for _ in range(ROUNDS + 1)
        ]
    # The first round reads the files from the disk.
    return {module: median(times[module] for times in rounds[1:]) for module in modules}


def main() -> None:
    seconds = measure_imports(prepare_sandbox())
    _, unzipped = measure_zip(build_all(names=["crewai"])["crewai"])
    figures = {
        "api_import_ratio_to_bare": round(seconds["api"] / seconds["bare"], 3),
        "worker_import_s": round(seconds["worker"], 2),
        "crewai_layer_mib": round(unzipped / 2**20, 1),
        **{
            f"{module}_import_ms": round(seconds[module] * 1000, 1)
            for module in ("api", "bare", "bare_without_client")
        },
        "rounds": ROUNDS,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
