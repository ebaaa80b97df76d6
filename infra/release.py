"""How a release gets to the functions: in an order, and where a canary is set, bit by bit."""

from collections.abc import Mapping, Sequence

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk.aws_cloudwatch import Alarm
from aws_cdk.aws_codedeploy import (
    AutoRollbackConfig,
    LambdaApplication,
    LambdaDeploymentConfig,
    LambdaDeploymentGroup,
    TimeBasedCanaryTrafficRouting,
)
from aws_cdk.aws_iam import Policy, PolicyStatement, Role, ServicePrincipal
from constructs import Construct

from infra.environment import Canary, Target
from infra.release_check import ReleaseCheck
from infra.service_function import ServiceFunction
from infra.wildcards import accept_wildcard

SHIFTED = ("tools", "worker", "api", "authorizer")
"""Those with enough traffic for a share of it to show something within minutes."""
CHECKED = ("worker", "api")
RECEIVERS = ("worker", "deployer", "backup")
SENDERS = ("monitor", "api", "authorizer")


def order_release(functions: Mapping[str, ServiceFunction]) -> None:
    """Who is sent to is released before who sends; `tools` before both, as their callers name it.

    So what is new in a message or an answer has somebody who knows it.
    """
    for sender in SENDERS:
        for receiver in RECEIVERS:
            functions[sender].live.node.add_dependency(functions[receiver].live)


class Shift(Construct):
    """CodeDeploy moves the aliases; an alarm or a failed check moves them back, and the stack."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        target: Target,
        canary: Canary,
        functions: Mapping[str, ServiceFunction],
        check: ReleaseCheck,
        alarms: Mapping[str, Sequence[Alarm]],
    ) -> None:
        """`alarms`: of each function that is shifted."""
        super().__init__(scope, construct_id)
        self._application = LambdaApplication(
            self, "Application", application_name=f"quarterdeck-{target.name}"
        )
        self._config = LambdaDeploymentConfig(
            self,
            "Config",
            traffic_routing=TimeBasedCanaryTrafficRouting(
                interval=Duration.minutes(canary.minutes), percentage=canary.percent
            ),
        )
        for name in SHIFTED:
            self._add_group(name, functions[name], check if name in CHECKED else None, alarms[name])

    def _add_group(
        self,
        name: str,
        function: ServiceFunction,
        check: ReleaseCheck | None,
        alarms: Sequence[Alarm],
    ) -> None:
        role = Role(
            self,
            f"{name.capitalize()}Role",
            assumed_by=ServicePrincipal("codedeploy.amazonaws.com"),
        )
        LambdaDeploymentGroup(
            self,
            name.capitalize(),
            application=self._application,
            deployment_group_name=name,
            deployment_config=self._config,
            alias=function.live,
            alarms=list(alarms),
            auto_rollback=AutoRollbackConfig(
                failed_deployment=True, stopped_deployment=True, deployment_in_alarm=True
            ),
            pre_hook=check.function if check else None,
            # It would add AWS's own policy, which may change every alias and ask every hook.
            role=role.without_policy_updates(),
        )
        function.live.node.add_dependency(allow_shift(role, function, check))


def allow_shift(role: Role, function: ServiceFunction, check: ReleaseCheck | None) -> Policy:
    """Lets CodeDeploy move this alias, ask this check, and see alarms."""
    alarms = Stack.of(role).format_arn(
        service="cloudwatch",
        resource="alarm",
        resource_name="*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    # By name and not by reference: the alias comes after the policy.
    arn = function.function.function_arn
    statements = [
        PolicyStatement(
            actions=[
                "lambda:GetAlias",
                "lambda:GetProvisionedConcurrencyConfig",
                "lambda:UpdateAlias",
            ],
            resources=[arn, f"{arn}:live"],
        ),
        PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=[alarms]),
    ]
    if check:
        asked = [check.function.function_arn]
        statements.append(PolicyStatement(actions=["lambda:InvokeFunction"], resources=asked))
    policy = Policy(role, "Shift", roles=[role], statements=statements)
    accept_wildcard(policy, alarms, "CodeDeploy asks for alarms by a list of names.")
    return policy
