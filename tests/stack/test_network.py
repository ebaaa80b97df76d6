"""Functions in a network of the team's own."""

from collections.abc import Callable

import pytest
from cdk_nag import AwsSolutionsChecks

from tests.stack.conftest import Assembly, as_list

pytestmark = pytest.mark.xdist_group("synth")

VPC = {
    "subnet_ids": ["subnet-0a1b2c3d", "subnet-0a1b2c3e"],
    "security_group_ids": ["sg-0123456789abcdef0"],
}


def test_functions_are_in_no_network_unless_it_is_named(assembly: Assembly) -> None:
    assert not [f for _, f in assembly.functions().values() if "VpcConfig" in f]


def test_every_function_is_in_the_network_and_its_code_gets_at_no_interface(
    dress: Callable[..., Assembly],
) -> None:
    inside = dress(vpc=VPC)
    assert len(inside.functions()) == 8
    for name, (logical_id, function) in inside.functions().items():
        assert function["VpcConfig"] == {
            "SubnetIds": VPC["subnet_ids"],
            "SecurityGroupIds": VPC["security_group_ids"],
        }
        statements = [
            statement
            for statement in inside.statements(name)
            if any(action.startswith("ec2:") for action in as_list(statement["Action"]))
        ]
        allowed, denied = sorted(statements, key=lambda statement: str(statement["Effect"]))
        assert (allowed["Effect"], denied["Effect"]) == ("Allow", "Deny")
        assert allowed["Action"] == denied["Action"]
        assert not [action for action in allowed["Action"] if "*" in action]
        assert denied["Condition"] == {
            "ArnEquals": {"lambda:SourceFunctionArn": {"Fn::GetAtt": [logical_id, "Arn"]}}
        }
        # Lambda asks for the right when the function is made; the refusal names the function.
        [policy] = [
            name
            for name, policy in inside.find("AWS::IAM::Policy").items()
            if allowed in policy["PolicyDocument"]["Statement"]
            and policy["Roles"] == [{"Ref": function["Role"]["Fn::GetAtt"][0]}]
        ]
        assert policy in inside.service[logical_id]["DependsOn"]
    report = AwsSolutionsChecks(inside.app).validate_scope(inside.app)
    assert not report.violations
