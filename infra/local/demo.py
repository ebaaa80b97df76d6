"""`make demo`: the development template on the emulator, a crew system, a task, and no rest."""

import os
import sys
from typing import Any

from infra.environment import load_target
from infra.local.command import run_command, show_stage
from infra.local.crew_run import deploy_system, run_task
from infra.local.emulator import Emulator, read_port, run_emulator
from infra.local.ministack import STATE_DIR
from infra.local.model import Model, choose_model, replace_llm
from infra.local.progress import describe_result
from infra.local.sample import DOCUMENT, load_configuration, make_task
from infra.local.service import ENVIRONMENT, deploy_service, prepare_service

LOG = STATE_DIR / "demo.log"


def main() -> None:
    allowed = [str(url) for url in load_target(ENVIRONMENT).environment.model_base_urls]
    model = choose_model(os.environ, allowed)
    configuration = load_configuration()
    if model:
        configuration = replace_llm(configuration, model.llm)
    port = read_port(os.environ, None)
    print("Quarterdeck: the template that `cdk deploy` takes to AWS, on this machine")
    prepare_service()
    with run_emulator(LOG, port) as emulator:
        show_crew(emulator, configuration, model)


def show_crew(emulator: Emulator, configuration: dict[str, Any], model: Model | None) -> None:
    api, _ = deploy_service(emulator)
    if model and model.key:
        emulator.open_client("secretsmanager").create_secret(
            Name=f"quarterdeck/{ENVIRONMENT}/{model.llm['secret']}", SecretString=model.key
        )
    with show_stage(f"POST /crews: deploy {configuration['name']}"):
        system_id = deploy_system(api, configuration)
    task = make_task(configuration)
    words = len(task["inputs"]["document"].split())
    print(f"  POST /crews/{system_id}/tasks: {DOCUMENT.name}, {words:,} words")
    print(f"    “{task['description']}”")
    print("\n".join(describe_result(run_task(api, system_id, task))))


if __name__ == "__main__":
    sys.exit(run_command(main))
