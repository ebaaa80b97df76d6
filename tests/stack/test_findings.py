"""What others' rules say of the templates."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cdk_nag import AwsSolutionsChecks

from tests.stack.conftest import ENVIRONMENTS, Assembly

pytestmark = pytest.mark.xdist_group("synth")


def test_cfn_lint_finds_nothing(synthesise: Callable[..., Assembly]) -> None:
    templates = [str(path) for name in ENVIRONMENTS for path in synthesise(name).templates]
    ended = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), "--format", "parseable", *templates],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 0)


def test_cdk_nag_finds_nothing_that_is_not_explained(assembly: Assembly) -> None:
    report = AwsSolutionsChecks(assembly.app).validate_scope(assembly.app)
    found = {
        f"{violation.rule_name} {resource.construct_path}"
        for violation in report.violations
        for resource in violation.violating_resources
    }
    assert found == set()


def test_the_emulator_gets_the_same_template_without_what_demands_https(
    synthesise: Callable[..., Assembly],
) -> None:
    for_aws, for_emulator = synthesise("development"), synthesise("development", local=True)
    everything = for_aws.data | for_aws.service
    policies = {
        logical_id
        for logical_id, resource in everything.items()
        if resource["Type"] in {"AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy"}
    }
    for logical_id in policies:
        [statement] = everything[logical_id]["Properties"]["PolicyDocument"]["Statement"]
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert for_emulator.data | for_emulator.service == {
        logical_id: resource
        for logical_id, resource in everything.items()
        if logical_id not in policies
    }
