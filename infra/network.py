"""Functions in a network of the team's own."""

from typing import cast

from aws_cdk.aws_iam import Effect, Policy, PolicyStatement, Role
from aws_cdk.aws_lambda import CfnFunction, Function

from infra.environment import Vpc
from infra.wildcards import accept_wildcard

INTERFACES = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)


def join_network(function: Function, role: Role, vpc: Vpc) -> None:
    """Lambda makes the function's interfaces by its role, which its code must not use for that."""
    resource = cast(CfnFunction, function.node.default_child)
    resource.vpc_config = CfnFunction.VpcConfigProperty(
        subnet_ids=list(vpc.subnet_ids), security_group_ids=list(vpc.security_group_ids)
    )
    allowed = Policy(
        # Of the role: a function is made after the policies of its role.
        role,
        "Interfaces",
        roles=[role],
        statements=[PolicyStatement(actions=list(INTERFACES), resources=["*"])],
    )
    accept_wildcard(
        allowed, "*", "Lambda makes and names the interfaces, and checks the right for any."
    )
    denied = Policy(
        # Of the function, whose ARN it names.
        function,
        "NoInterfaces",
        roles=[role],
        statements=[
            PolicyStatement(
                effect=Effect.DENY,
                actions=list(INTERFACES),
                resources=["*"],
                # In calls of the function's code, and not in those that Lambda makes for it.
                conditions={"ArnEquals": {"lambda:SourceFunctionArn": function.function_arn}},
            )
        ],
    )
    accept_wildcard(denied, "*", "It denies: the code gets at no interface at all.")
