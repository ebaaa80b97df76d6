"""The function that runs the team's tools."""

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk.aws_iam import Policy, PolicyStatement, Role
from constructs import Construct

from infra.environment import Target
from infra.function_code import FunctionCode
from infra.models import make_secret_prefix
from infra.service_function import ServiceFunction
from infra.wildcards import accept_wildcard


class Tools(ServiceFunction):
    """Code of the team, moved by texts from outside: it may read its own secrets, and no more."""

    # Of the longest tool, after its process has loaded it.
    TIMEOUT = Duration.seconds(390)

    def __init__(self, scope: Construct, *, target: Target, code: FunctionCode) -> None:
        prefix = f"{make_secret_prefix(target)}tools/"
        super().__init__(
            scope,
            "tools",
            module="tools_runner",
            target=target,
            code=code,
            layers=("base", "crewai", "tools"),
            timeout=self.TIMEOUT,
            # From 1,769 MB a function has a whole CPU, and importing crewai takes 3 s of one.
            memory_mib=2048,
            settings={"SECRET_PREFIX": prefix},
        )
        self._allow_secrets(prefix)

    @property
    def arn(self) -> str:
        """Of the alias: what callers name, and all that they may call."""
        return self.live.function_arn

    def allow_invoke(self, role: Role) -> None:
        """Lets the role call the function as it is released."""
        Policy(
            role,
            "InvokeTools",
            roles=[role],
            statements=[PolicyStatement(actions=["lambda:InvokeFunction"], resources=[self.arn])],
        )

    def _allow_secrets(self, prefix: str) -> None:
        arn = Stack.of(self).format_arn(
            service="secretsmanager",
            resource="secret",
            resource_name=f"{prefix}*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        policy = Policy(
            self.role,
            "Secrets",
            roles=[self.role],
            statements=[
                PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=[arn])
            ],
        )
        accept_wildcard(
            policy, arn, "A team adds secrets for its tools under their prefix at any time."
        )
