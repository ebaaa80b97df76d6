"""The API answers as its OpenAPI document says, whatever it is asked: schemathesis asks.

Every route of the document, also those that are added to it: none is left out.
"""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.local.api import Api
from quarterdeck.identity.principal import ALL_SCOPES
from tests import systems
from tests.emulated.main_job import deploy, submit, wait
from tests.prove import PROVE

SYSTEM = "{system_id}"
ROOT = Path(__file__).parents[2]
PHASES = (
    ["--phases", "coverage,fuzzing", "-n", "20"] if PROVE else ["--phases", "fuzzing", "-n", "4"]
)
LEFT_OUT = {
    # The document cannot say which crews and versions there are, or what a cursor is: 422.
    "positive_data_acceptance",
}
SITES = ("main", "spare")


@pytest.fixture(scope="module")
def known(api: Api) -> Api:
    """With a key that the API has made, of all scopes."""
    body = {"name": "schemathesis", "scopes": list(ALL_SCOPES)}
    return replace(api, key=api.post("/keys", body).json["key"])


@pytest.fixture(scope="module")
def sites(known: Api) -> dict[str, Any]:
    with ThreadPoolExecutor() as pool:
        made = pool.map(lambda name: make_site(known, name), SITES)
        return dict(zip(SITES, made, strict=True))


def make_site(api: Api, name: str) -> dict[str, list[Any]]:
    """A system with what paths name: values by the name of the parameter."""
    system_id = deploy(api, systems.system(f"asked-{name}"))
    path = f"/crews/{system_id}"
    tasks = [submit(api, system_id, description="Ships follow a light.") for _ in range(3)]
    for task_id in tasks:
        wait(api, system_id, task_id)
    return {
        "system_id": [system_id],
        "task_id": tasks,
        "number": [1],
        "backup_id": [api.post(f"{path}/backup").json["backup"]["backup_id"]],
        "alert_id": [alert["alert_id"] for alert in api.get(f"{path}/alerts").json["alerts"]],
    }


def test_a_foreign_key_gets_404_on_every_route(known: Api, sites: dict[str, Any]) -> None:
    """With ids that are there, and nothing that is sent with them."""
    own, foreign = sites["main"], sites["spare"]["system_id"]
    body = {"name": "stranger", "scopes": list(ALL_SCOPES), "systems": foreign}
    stranger = replace(known, key=known.post("/keys", body).json["key"])
    paths = known.get("/openapi.json").json["paths"]
    routes = [(m.upper(), path) for path, ops in paths.items() for m in ops if SYSTEM in path]
    assert len(routes) > 30
    for method, path in routes:
        filled = re.sub(r"{(\w+)}", lambda name: str(own.get(name[1], ["0123"])[0]), path)
        answer = stranger.send(method, filled, None)
        assert (answer.status, answer.json["status"]) == (404, 404), (method, path, answer)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["detail"] == f"there is no system '{own['system_id'][0]}'"


def test_every_answer_is_one_of_the_document(
    known: Api, sites: dict[str, Any], tmp_path: Path
) -> None:
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(known.get("/openapi.json").json))
    run = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            *("run", str(document)),
            *("--url", known.url, "--header", f"Authorization: Bearer {known.key}"),
            *("--exclude-checks", ",".join(LEFT_OUT), "--continue-on-failure", "--workers", "2"),
            *("--warnings", "off", "--report", "junit"),
            *("--report-junit-path", str(tmp_path / "report.xml"), *PHASES),
        ],
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "tests.emulated.openapi_hooks",
            "SITES": json.dumps(sites),
            "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    selected = len([op for ops in json.loads(document.read_text())["paths"].values() for op in ops])
    assert f"Selected: {selected}/{selected}" in run.stdout
    assert f"Tested: {selected}" in run.stdout
