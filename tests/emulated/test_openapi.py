"""The API answers as its OpenAPI document says, whatever it is asked: schemathesis asks.

Every route of the document, also those that are added to it: none is left out.
"""

import json
import os
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

ROOT = Path(__file__).parents[2]
PROVE = os.environ.get("QUARTERDECK_PROVE")
PHASES = (
    ["--phases", "coverage,fuzzing", "-n", "20"] if PROVE else ["--phases", "fuzzing", "-n", "4"]
)
LEFT_OUT = {
    # The document cannot say which crews and versions there are, or what a cursor is: 422.
    "positive_data_acceptance",
}
SITES = ("main", "deleted", "restored")


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
