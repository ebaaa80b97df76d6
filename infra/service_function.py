"""A Lambda function as every function of the service is."""

from collections.abc import Mapping
from functools import cached_property
from typing import cast

from aws_cdk import Acknowledgment, Duration, RemovalPolicy, Validations
from aws_cdk.aws_iam import Role, ServicePrincipal
from aws_cdk.aws_lambda import (
    Alias,
    CfnFunction,
    Function,
    RecursiveLoop,
    SnapStartConf,
    VersionOptions,
)
from constructs import Construct

from infra.environment import Target
from infra.function_code import FunctionCode
from infra.log_group import RetainedLogGroup
from infra.network import join_network


class ServiceFunction(Construct):
    """Runs `NAME.lambda_handler` under its own role, which can write its own logs, no more.

    `module` is the file of the handler if that is not called as the function.
    `settings` are the variables of its settings class besides those that every function has.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        target: Target,
        code: FunctionCode,
        settings: Mapping[str, str],
        memory_mib: int,
        timeout: Duration,
        module: str | None = None,
        layers: tuple[str, ...] = ("base",),
        recursive_loop: RecursiveLoop = RecursiveLoop.TERMINATE,
        snap_start: bool = False,
        provisioned_concurrency: int = 0,
    ) -> None:
        super().__init__(scope, name.capitalize())
        logs = RetainedLogGroup(self, "Logs", target.environment)
        self.role = Role(self, "Role", assumed_by=ServicePrincipal("lambda.amazonaws.com"))
        logs.grant_write(self.role)
        self.function = Function(
            self,
            "Function",
            description=f"Quarterdeck, {target.name}: {name}",
            code=code.functions,
            handler=f"{module or name}.lambda_handler",
            runtime=code.runtime,
            architecture=code.architecture,
            layers=[code.layers[layer] for layer in layers],
            role=self.role,
            log_group=logs,
            memory_size=memory_mib,
            timeout=timeout,
            recursive_loop=recursive_loop,
            snap_start=SnapStartConf.ON_PUBLISHED_VERSIONS if snap_start else None,
            current_version_options=VersionOptions(removal_policy=_choose_removal(snap_start)),
            environment={
                "ENVIRONMENT": target.name,
                "LOG_LEVEL": target.environment.log_level,
                "DEBUG_MODE": str(target.environment.debug_mode).lower(),
                "POWERTOOLS_SERVICE_NAME": name,
                **settings,
            },
        )
        # CDK makes a function wait for its role's policies, and names the role again with them.
        cast(CfnFunction, self.function.node.default_child).add_metadata(
            "cfn-lint", {"config": {"ignore_checks": ["W3005"]}}
        )
        Validations.of(self.function).acknowledge(
            Acknowledgment(
                id="AwsSolutions-L1", reason="crewai supports no Python after 3.13 (`<3.14`)."
            )
        )
        self._provisioned_concurrency = provisioned_concurrency
        if target.environment.vpc:
            join_network(self.function, self.role, target.environment.vpc)

    @cached_property
    def live(self) -> Alias:
        """What starts it names this, and never the function itself."""
        return Alias(
            self,
            "Live",
            alias_name="live",
            version=self.function.current_version,
            provisioned_concurrent_executions=self._provisioned_concurrency or None,
        )


def _choose_removal(snap_start: bool) -> RemovalPolicy:
    """What becomes of versions that a later release replaces.

    They stay for what still runs on them. But a snapshot costs for as long as its version is there;
    and a version that is rolled back must go, for Lambda publishes none that is like the last.
    """
    return RemovalPolicy.DESTROY if snap_start else RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
