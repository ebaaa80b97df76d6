"""What others' rules say of the templates."""

import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
from cdk_nag import AwsSolutionsChecks

from tests.stack.conftest import ENVIRONMENTS, Assembly, Resource

pytestmark = pytest.mark.xdist_group("synth")

POLICIES = {"AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"}


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
    everything = {
        logical_id: relaxed
        for logical_id, resource in (for_aws.data | for_aws.service).items()
        if (relaxed := drop_https(resource))
    }
    assert for_emulator.data | for_emulator.service == everything


def drop_https(resource: Resource) -> Resource | None:
    """A policy of a resource without the one statement that refuses plain HTTP; None if empty."""
    if resource["Type"] not in POLICIES:
        return resource
    relaxed = deepcopy(resource)
    document = relaxed["Properties"]["PolicyDocument"]
    [refusal] = [each for each in document["Statement"] if each["Effect"] == "Deny"]
    assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    document["Statement"].remove(refusal)
    return relaxed if document["Statement"] else None
