"""Environments: what each sets, and what someone sees who gets one wrong."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.environment import (
    DIRECTORY,
    Environment,
    InvalidEnvironmentError,
    Retention,
    load_target,
)
from infra.settings_table import DOCUMENT, fill_table
from quarterdeck.retention import RETENTION


@pytest.fixture
def settings() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DIRECTORY / "staging.yaml").read_text())
    return loaded


def load(directory: Path, settings: Any) -> None:
    (directory / "trial.yaml").write_text(yaml.safe_dump(settings))
    load_target("trial", directory)


@pytest.mark.parametrize(
    ("name", "debug_mode", "log_level", "max_concurrent_tasks"),
    [
        ("development", True, "DEBUG", 5),
        ("staging", False, "INFO", 20),
        ("production", False, "WARNING", 100),
    ],
)
def test_an_environment_sets(
    name: str, debug_mode: bool, log_level: str, max_concurrent_tasks: int
) -> None:
    environment = load_target(name).environment
    assert environment.debug_mode is debug_mode
    assert environment.log_level == log_level
    assert environment.max_concurrent_tasks == max_concurrent_tasks


def test_production_keeps_its_data() -> None:
    environment = load_target("production").environment
    assert (environment.removal_policy, environment.deletion_protection) == ("retain", True)
    assert environment.model_base_urls == ()


def test_all_errors_are_reported_at_once(tmp_path: Path, settings: dict[str, Any]) -> None:
    wrong = settings | {"log_level": "LOUD", "max_concurrent_tasks": 1, "log_levle": "INFO"}
    with pytest.raises(InvalidEnvironmentError) as caught:
        load(tmp_path, wrong)
    assert str(caught.value).splitlines() == [
        "log_level: Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'",
        "max_concurrent_tasks: Input should be greater than or equal to 2",
        "log_levle: Extra inputs are not permitted",
    ]


def test_an_error_in_a_list_names_its_place(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidEnvironmentError, match=r"^cors_origins\[1\]: "):
        load(tmp_path, settings | {"cors_origins": ["https://a.example", "https://b.example/"]})


@pytest.mark.parametrize("address", ["ops", "ops@example", "a@b.example, c@d.example"])
def test_alarms_go_to_one_address(tmp_path: Path, settings: dict[str, Any], address: str) -> None:
    load(tmp_path, settings | {"alarm_email": "ops@team.example"})
    with pytest.raises(InvalidEnvironmentError, match=r"^alarm_email: String should match"):
        load(tmp_path, settings | {"alarm_email": address})


@pytest.mark.parametrize(
    ("domain", "faults"),
    [
        ({"name": "https://a.example"}, ["domain.name: ", "domain.certificate_arn: "]),
        ({"name": "a.example", "certificate_arn": "arn:aws:s3:::a"}, ["domain.certificate_arn: "]),
        ("a.example", ["domain: "]),
    ],
)
def test_a_domain_has_its_name_and_certificate(
    tmp_path: Path, settings: dict[str, Any], domain: Any, faults: list[str]
) -> None:
    with pytest.raises(InvalidEnvironmentError) as caught:
        load(tmp_path, settings | {"domain": domain})
    said = str(caught.value).splitlines()
    assert len(said) == len(faults)
    assert all(line.startswith(fault) for line, fault in zip(said, faults, strict=True))


def test_an_api_has_a_snapshot_or_ready_instances(tmp_path: Path, settings: dict[str, Any]) -> None:
    for snap_start, instances in ((True, 0), (False, 2)):
        load(
            tmp_path,
            settings | {"snap_start": snap_start, "provisioned_concurrency": instances},
        )
    both = {"snap_start": True, "provisioned_concurrency": 2, "log_level": "LOUD"}
    with pytest.raises(InvalidEnvironmentError) as caught:
        load(tmp_path, settings | both)
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "log_level",
        "provisioned_concurrency",
    ]
    assert "AWS refuses it with snap_start: one of them at most" in str(caught.value)


@pytest.mark.parametrize("tags", [{"aws:x": "1"}, {"": "1"}, {"x": "?"}, {"x" * 129: "1"}])
def test_tags_are_such_as_aws_takes(
    tmp_path: Path, settings: dict[str, Any], tags: dict[str, str]
) -> None:
    load(tmp_path, settings | {"tags": {"cost center": "42/a", "team": ""}})
    with pytest.raises(InvalidEnvironmentError, match=r"^tags\."):
        load(tmp_path, settings | {"tags": tags})


def test_what_leads_nowhere_any_more_is_not_kept(tmp_path: Path, settings: dict[str, Any]) -> None:
    days = settings["retention"] | {"tasks_days": 10, "events_days": 11, "metrics_days": 14}
    with pytest.raises(InvalidEnvironmentError) as caught:
        load(tmp_path, settings | {"retention": days | {"traces": 1}})
    assert str(caught.value).splitlines() == [
        "retention.events_days: Value error, must not be over tasks_days (10): "
        "nothing leads there any more",
        "retention.journals_days: Value error, must not be over tasks_days (10): "
        "nothing leads there any more",
        "retention.metrics_days: Input should be greater than or equal to 15",
        "retention.traces: Extra inputs are not permitted",
    ]


def test_functions_keep_for_as_long_as_production_says_unless_they_are_told() -> None:
    retention = load_target("production").environment.retention
    assert retention.model_dump() == RETENTION.model_dump()


def test_the_document_says_what_the_files_set() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    assert fill_table(document) == document, "make settings-table"
    rows = re.findall(r"^\| `([\w.]+)` \|.*\| (.+) \|$", document, re.MULTILINE)
    assert {name.partition(".")[0] for name, _ in rows} == set(Environment.model_fields)
    assert {name.partition(".")[2] for name, _ in rows} >= set(Retention.model_fields)


def test_every_setting_must_be_there(tmp_path: Path, settings: dict[str, Any]) -> None:
    del settings["recovery_days"]
    with pytest.raises(InvalidEnvironmentError, match=r"^recovery_days: Field required$"):
        load(tmp_path, settings)


@pytest.mark.parametrize("text", ["", "- a list", "log_level: [", "debug_mode: true\n\tx: 1"])
def test_a_file_that_is_no_mapping_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "trial.yaml").write_text(text)
    with pytest.raises(InvalidEnvironmentError, match=r"^trial\.yaml: "):
        load_target("trial", tmp_path)


@pytest.mark.parametrize("name", ["my_team", "Team", "1st", "a.b", "x" * 41])
def test_a_name_is_one_that_stacks_can_have(
    tmp_path: Path, settings: dict[str, Any], name: str
) -> None:
    for each in (name, "my-team"):
        (tmp_path / f"{each}.yaml").write_text(yaml.safe_dump(settings))
    load_target("my-team", tmp_path)
    with pytest.raises(InvalidEnvironmentError, match=r"^name: String should match pattern"):
        load_target(name, tmp_path)


def test_an_unknown_platform_lists_the_known_ones() -> None:
    with pytest.raises(
        InvalidEnvironmentError, match=r"^platform: Input should be 'x86_64' or 'arm64'$"
    ):
        load_target("development", platform="riscv")


def test_an_unknown_environment_ends_the_app_with_one_line() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "infra.app"],
        env=os.environ | {"CDK_CONTEXT_JSON": json.dumps({"environment": "prod"})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    # jsii may speak of the version of Node first.
    *_, last = ended.stderr.splitlines()
    assert last == "environment: 'prod' is unknown; known are development, production, staging"
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("canary", "faults"),
    [
        ({"percent": 0, "minutes": 61}, ["canary.percent: ", "canary.minutes: "]),
        ({"percent": 100}, ["canary.percent: ", "canary.minutes: "]),
        ({"percent": 10, "minutes": 5, "hours": 1}, ["canary.hours: "]),
        (10, ["canary: "]),
    ],
)
def test_a_canary_is_a_share_for_some_minutes(
    tmp_path: Path, settings: dict[str, Any], canary: Any, faults: list[str]
) -> None:
    for good in (None, {"percent": 1, "minutes": 60}):
        load(tmp_path, settings | {"canary": good})
    assert find_faults(tmp_path, settings | {"canary": canary}) == faults


@pytest.mark.parametrize(
    ("vpc", "faults"),
    [
        (
            {"subnet_ids": [], "security_group_ids": ["sg-0a1b2c3d"]},
            ["vpc.subnet_ids: "],
        ),
        (
            {
                "subnet_ids": ["subnet-0a1b2c3d"],
                "security_group_ids": ["sg-0a1b2c3d", "default"],
            },
            ["vpc.security_group_ids[1]: "],
        ),
        (
            {"subnet_ids": ["subnet-0a1b2c3d", "vpc-0a1b2c3d"]},
            ["vpc.subnet_ids[1]: ", "vpc.security_group_ids: "],
        ),
    ],
)
def test_a_vpc_has_subnets_and_security_groups(
    tmp_path: Path, settings: dict[str, Any], vpc: Any, faults: list[str]
) -> None:
    good = {"subnet_ids": ["subnet-0a1b2c3d"], "security_group_ids": ["sg-0123456789abcdef0"]}
    load(tmp_path, settings | {"vpc": good})
    assert find_faults(tmp_path, settings | {"vpc": vpc}) == faults


def find_faults(directory: Path, settings: dict[str, Any]) -> list[str]:
    """The fields, as each line begins."""
    with pytest.raises(InvalidEnvironmentError) as caught:
        load(directory, settings)
    return [f"{line.partition(': ')[0]}: " for line in str(caught.value).splitlines()]
