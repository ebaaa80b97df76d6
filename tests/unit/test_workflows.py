"""The workflows: pinned actions, make targets alone, least permissions, one build for all."""

import copy
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.makefile import read_targets

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(read_targets())
PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")
MAKE = re.compile(r"make (?P<target>[a-z-]+)(?: [A-Z]+=[\w./-]+)*")
# What a job may do besides reading the repository.
GRANTED = {
    "diff": {"id-token": "write"},
    "comment": {"pull-requests": "write"},
    "staging": {"id-token": "write"},
    "production": {"id-token": "write"},
}
type Workflow = dict[str, Any]


def load(path: Path) -> Workflow:
    # YAML 1.1 reads `on` as true; nothing here looks at it.
    workflow: Workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    return workflow


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def workflow(request: pytest.FixtureRequest) -> Workflow:
    return load(request.param)


@pytest.fixture
def deploy() -> Workflow:
    return load(ROOT / ".github" / "workflows" / "deploy.yml")


def find_faults(workflow: Workflow) -> Iterator[str]:
    if workflow.get("permissions") != {"contents": "read"}:
        yield "permissions"
    for name, job in workflow["jobs"].items():
        granted = GRANTED.get(name)
        if job.get("permissions") != (granted and {"contents": "read", **granted}):
            yield f"{name}: permissions"
        for needed in as_list(job.get("needs", [])):
            if needed not in workflow["jobs"]:
                yield f"{name}: needs {needed}"
        if not job.get("timeout-minutes"):
            yield f"{name}: no timeout"
        for step in job["steps"]:
            yield from (f"{name}: {fault}" for fault in find_step_faults(step))


def find_step_faults(step: dict[str, Any]) -> Iterator[str]:
    if "uses" in step:
        if not PINNED.fullmatch(step["uses"]):
            yield f"{step['uses']} is not pinned"
    elif not (found := MAKE.fullmatch(step["run"])) or found["target"] not in TARGETS:
        yield f"{step['run']!r} is no make target"


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def list_runs(job: Workflow) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def find_artefact(job: Workflow, action: str) -> list[dict[str, Any]]:
    return [
        {name: step["with"].get(name) for name in ("name", "path")}
        for step in job["steps"]
        if step.get("uses", "").startswith(f"actions/{action}-artifact@")
    ]


def test_there_are_both_workflows() -> None:
    assert [path.stem for path in FILES] == ["deploy", "pull-request"]


def test_a_workflow_has_no_faults(workflow: Workflow) -> None:
    assert list(find_faults(workflow)) == []


def grant_all(workflow: Workflow) -> None:
    workflow["permissions"] = "write-all"


def grant_a_job(workflow: Workflow) -> None:
    workflow["jobs"]["build"]["permissions"] = {"contents": "write"}


def unpin(workflow: Workflow) -> None:
    workflow["jobs"]["build"]["steps"][0]["uses"] = "actions/checkout@v6"


def run_shell(workflow: Workflow) -> None:
    workflow["jobs"]["build"]["steps"].append({"run": "make check && curl example.org"})


def run_no_target(workflow: Workflow) -> None:
    workflow["jobs"]["build"]["steps"].append({"run": "make nothing"})


def need_nobody(workflow: Workflow) -> None:
    workflow["jobs"]["staging"]["needs"] = ["built"]


def wait_for_ever(workflow: Workflow) -> None:
    del workflow["jobs"]["staging"]["timeout-minutes"]


@pytest.mark.parametrize(
    "spoil",
    [grant_all, grant_a_job, unpin, run_shell, run_no_target, need_nobody, wait_for_ever],
)
def test_a_fault_is_found(deploy: Workflow, spoil: Callable[[Workflow], None]) -> None:
    spoiled = copy.deepcopy(deploy)
    spoil(spoiled)
    assert len(list(find_faults(spoiled))) == 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_pin_of_an_action_says_which_release_it_is(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_one_action_has_one_pin() -> None:
    found = {use for path in FILES for use in re.findall(r"uses: (\S+)", path.read_text())}
    assert len(found) == len({use.partition("@")[0] for use in found})


def test_a_pull_request_is_checked_tested_synthesised_and_compared() -> None:
    jobs = load(ROOT / ".github" / "workflows" / "pull-request.yml")["jobs"]
    runs = {run for job in jobs.values() for run in list_runs(job)}
    assert {
        *("make check", "make test", "make check-crews", "make audit"),
        *(f"make synth ENV={name}" for name in ("development", "staging", "production")),
        "make diff ENV=staging ASSEMBLY=cdk.out/staging REPORT=diff.md",
        "make comment REPORT=diff.md",
    } <= runs
    # Who writes the comment has no credentials, and who has them writes no comment.
    for job in jobs.values():
        assert not {"id-token", "pull-requests"} <= set(job.get("permissions", ()))


def test_what_was_built_once_goes_to_staging_and_then_to_production(deploy: Workflow) -> None:
    jobs = deploy["jobs"]
    assert {"make check", "make test", "make check-crews"} <= set(list_runs(jobs["build"]))
    built, bill = find_artefact(jobs["build"], "upload")
    assert "make sbom" in list_runs(jobs["build"])
    assert bill["path"] == "build/sbom"
    for name, needed in (("staging", "build"), ("production", "staging")):
        job = jobs[name]
        assert (job["needs"], job["environment"]) == (needed, name)
        assert find_artefact(job, "download") == [built]
        assert f"make synth ENV={name}" in list_runs(jobs["build"])
        assert list_runs(job) == [f"make deploy ENV={name} ASSEMBLY=cdk.out/{name}", "make smoke"]


def test_no_release_waits_for_the_approval_of_another(deploy: Workflow) -> None:
    """A group of the whole workflow is held by the run that waits; nothing is cancelled midway."""
    assert "concurrency" not in deploy
    assert {name: job["concurrency"] for name, job in deploy["jobs"].items()} == {
        name: {"group": name, "cancel-in-progress": False} for name in deploy["jobs"]
    }


def test_secrets_go_to_the_smoke_test_alone() -> None:
    for path in FILES:
        text = path.read_text()
        jobs = load(path)["jobs"]
        smokes = [run for job in jobs.values() for run in list_runs(job) if run == "make smoke"]
        assert text.count("secrets.") == len(smokes)
        for job in jobs.values():
            for step in job["steps"]:
                assert "secrets." not in str(step) or step["run"] == "make smoke"


@pytest.mark.parametrize(
    "program",
    [
        ("check-jsonschema", "--builtin-schema", "vendor.github-workflows"),
        ("zizmor", "--offline", "--no-progress", "--persona", "pedantic"),
    ],
    ids=lambda program: program[0],
)
def test_others_find_nothing(program: tuple[str, ...]) -> None:
    name, *options = program
    ended = subprocess.run(
        [Path(sys.executable).with_name(name), *options, *FILES],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
