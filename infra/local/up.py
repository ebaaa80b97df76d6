"""`make up`: the development environment in the background, until `make down`."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from infra.local.api import Api
from infra.local.command import run_command
from infra.local.curl import make_curl_lines
from infra.local.emulator import read_port, start_emulator, stop_emulator
from infra.local.ministack import STATE_DIR
from infra.local.sample import load_configuration, make_task
from infra.local.service import deploy_service, prepare_service
from infra.local.standing import LOG, NOTICE, find_standing, forget_standing, record_standing

PORT = 4566


def main() -> None:
    if standing := find_standing():
        print(f"quarterdeck: one runs already, on port {standing.port}; `make down` stops it")
        print(NOTICE.read_text(encoding="utf-8") if NOTICE.exists() else "It is starting.")
        return
    port = read_port(os.environ, PORT)
    prepare_service()
    emulator, _ = start_emulator(LOG, port, "kept")
    try:
        record_standing(emulator)
        api, _ = deploy_service(emulator)
    except BaseException:
        stop_emulator(emulator)
        forget_standing()
        raise
    NOTICE.write_text(make_notice(api), encoding="utf-8")
    print(NOTICE.read_text(encoding="utf-8"))


def make_notice(api: Api) -> str:
    """Address, key and three lines that work as they are; writes the bodies that those post."""
    configuration = load_configuration()
    task = make_task(configuration)
    lines = make_curl_lines(
        api.url,
        str(api.key),
        write_json(STATE_DIR / "system.json", configuration),
        write_json(STATE_DIR / "task.json", task),
    )
    return "\n\n".join([f"\nURL  {api.url}\nKey  {api.key}\nLog  {LOG}", *lines])


def write_json(path: Path, body: Any) -> Path:
    path.write_text(json.dumps(body), encoding="utf-8")
    return path


if __name__ == "__main__":
    sys.exit(run_command(main))
