"""The function that CodeDeploy asks before a release gets traffic."""

from aws_cdk import Duration
from aws_cdk.aws_iam import Policy, PolicyStatement
from aws_cdk.aws_lambda import IVersion
from constructs import Construct

from infra.environment import Target
from infra.function_code import FunctionCode
from infra.service_function import ServiceFunction


class ReleaseCheck(ServiceFunction):
    """Has the new worker rehearse, and asks the new API for its health: these versions alone."""

    def __init__(
        self,
        scope: Construct,
        *,
        target: Target,
        code: FunctionCode,
        worker: IVersion,
        api: IVersion,
    ) -> None:
        super().__init__(
            scope,
            "release-check",
            module="release_check",
            target=target,
            code=code,
            # Of two calls, each tried twice, none of which takes longer than 80 s.
            timeout=Duration.seconds(360),
            memory_mib=256,
            settings={"WORKER_VERSION": worker.function_arn, "API_VERSION": api.function_arn},
        )
        Policy(
            self.role,
            "InvokeVersions",
            roles=[self.role],
            statements=[
                PolicyStatement(
                    actions=["lambda:InvokeFunction"],
                    resources=[worker.function_arn, api.function_arn],
                )
            ],
        )
