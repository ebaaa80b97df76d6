"""A release where a canary is set: who is shifted, what ends it, and in which order it goes on."""

from collections.abc import Iterator
from typing import Any

import pytest

from infra.environment import load_target
from tests.stack.conftest import Assembly, walk

pytestmark = pytest.mark.xdist_group("synth")

SHIFTED = {"tools_runner", "worker", "api", "authorizer"}


def find_updates(assembly: Assembly) -> dict[str, Any]:
    """{function: how its alias is updated}, of those that CodeDeploy moves."""
    return {
        assembly.find_live({"Ref": logical_id}): resource["UpdatePolicy"][
            "CodeDeployLambdaAliasUpdate"
        ]
        for logical_id, resource in assembly.service.items()
        if "UpdatePolicy" in resource
    }


def test_development_knows_nothing_of_codedeploy(development: Assembly) -> None:
    assert not [r for r in development.service.values() if "CodeDeploy" in r["Type"]]
    assert find_updates(development) == {}


@pytest.mark.parametrize("name", ["staging", "production"])
def test_traffic_moves_by_the_canary_of_the_environment(synthesise: Any, name: str) -> None:
    assembly = synthesise(name)
    canary = load_target(name).environment.canary
    assert canary
    config = assembly.find_one("AWS::CodeDeploy::DeploymentConfig")
    assert config["TrafficRoutingConfig"] == {
        "Type": "TimeBasedCanary",
        "TimeBasedCanary": {
            "CanaryPercentage": canary.percent,
            "CanaryInterval": canary.minutes,
        },
    }
    assert config["ComputePlatform"] == "Lambda"
    assert set(find_updates(assembly)) == SHIFTED
    [config_id] = assembly.find("AWS::CodeDeploy::DeploymentConfig")
    for group in assembly.find("AWS::CodeDeploy::DeploymentGroup").values():
        assert group["DeploymentConfigName"] == {"Ref": config_id}
        assert group["AutoRollbackConfiguration"] == {
            "Enabled": True,
            "Events": [
                "DEPLOYMENT_FAILURE",
                "DEPLOYMENT_STOP_ON_REQUEST",
                "DEPLOYMENT_STOP_ON_ALARM",
            ],
        }


def test_worker_and_api_are_checked_before_they_get_traffic(production: Assembly) -> None:
    check, _ = production.functions()["release_check"]
    checked = {
        name: update["BeforeAllowTrafficHook"]
        for name, update in find_updates(production).items()
        if "BeforeAllowTrafficHook" in update
    }
    assert checked == {"worker": {"Ref": check}, "api": {"Ref": check}}


def test_a_release_ends_with_the_alarms_of_its_version_and_of_the_rest(
    production: Assembly,
) -> None:
    alarms = production.find("AWS::CloudWatch::Alarm")
    for name, update in find_updates(production).items():
        group = production.service[update["DeploymentGroupName"]["Ref"]]["Properties"]
        assert group["AlarmConfiguration"]["Enabled"] is True
        watched = [alarms[each["Name"]["Ref"]] for each in group["AlarmConfiguration"]["Alarms"]]
        # CodeDeploy takes no more.
        assert len(watched) <= 10
        own, *rest = watched
        function, _ = production.functions()[name]
        dimensions = {each["Name"]: each["Value"] for each in own["Dimensions"]}
        version = dimensions["ExecutedVersion"]["Fn::GetAtt"][0]
        assert production.service[version]["Properties"]["FunctionName"] == {"Ref": function}
        assert dimensions["FunctionName"] == {"Ref": function}
        assert dimensions["Resource"] == {"Fn::Join": ["", [{"Ref": function}, ":live"]]}
        assert (own["MetricName"], own["Period"]) == ("Errors", 60)
        assert (own["Threshold"], own["DatapointsToAlarm"], own["EvaluationPeriods"]) == (1, 2, 5)
        assert own["TreatMissingData"] == "notBreaching"
        assert {alarm["AlarmName"].removeprefix("quarterdeck-production-") for alarm in rest} == {
            *("api-server-errors", "lost-workers", "unrunnable-crews"),
            *(f"{each}-malformed-messages" for each in ("worker", "deployer", "backup")),
            *(f"{each}-errors" for each in ("deployer", "monitor", "backup")),
        } - ({"deployer-errors"} if name == "tools_runner" else set())


def find_needs(assembly: Assembly, logical_id: str) -> Iterator[str]:
    """The resources that CloudFormation updates before this one, directly or not."""
    seen = {logical_id}
    waiting = [logical_id]
    while waiting:
        resource = assembly.service[waiting.pop()]
        named = {each for each in walk(resource) if isinstance(each, str)}
        new = (named & assembly.service.keys()) - seen
        seen |= new
        waiting += new
        yield from new


def test_who_is_called_or_sent_to_is_released_first(assembly: Assembly) -> None:
    aliases = {
        assembly.find_live({"Ref": logical_id}): logical_id
        for logical_id in assembly.find("AWS::Lambda::Alias")
    }
    names = {logical_id: name for name, logical_id in aliases.items()}
    before = {
        name: {names[each] for each in find_needs(assembly, logical_id) if each in names}
        for name, logical_id in aliases.items()
    }
    receivers = {"worker", "deployer", "backup", "tools_runner"}
    assert before == {
        "tools_runner": set(),
        "backup": set(),
        "worker": {"tools_runner"},
        "deployer": {"tools_runner"},
        "monitor": receivers,
        "api": receivers,
        "authorizer": receivers,
    }


def test_rights_and_checks_are_there_before_an_alias_moves(production: Assembly) -> None:
    for name, update in find_updates(production).items():
        group = production.service[update["DeploymentGroupName"]["Ref"]]["Properties"]
        role = group["ServiceRoleArn"]["Fn::GetAtt"][0]
        policies = {
            logical_id
            for logical_id, policy in production.find("AWS::IAM::Policy").items()
            if {"Ref": role} in policy["Roles"]
        }
        [alias] = [
            logical_id
            for logical_id in production.find("AWS::Lambda::Alias")
            if production.find_live({"Ref": logical_id}) == name
        ]
        assert policies
        assert policies <= set(find_needs(production, alias))
