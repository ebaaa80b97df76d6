"""A secret of the service itself, with a value that nobody chose."""

import string

from aws_cdk import Acknowledgment, ArnFormat, Stack, Validations
from aws_cdk.aws_iam import Policy, PolicyStatement, Role
from aws_cdk.aws_secretsmanager import Secret, SecretStringGenerator
from constructs import Construct

from infra.environment import Target


class GeneratedSecret(Construct):
    """`quarterdeck-system/<environment>/NAME`: 48 random letters and digits."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        target: Target,
        description: str,
        not_rotated_because: str,
    ) -> None:
        super().__init__(scope, name.title().replace("-", ""))
        self.name = f"quarterdeck-system/{target.name}/{name}"
        secret = Secret(
            self,
            "Secret",
            secret_name=self.name,
            description=description,
            generate_secret_string=SecretStringGenerator(
                password_length=48,
                # The same as ExcludePunctuation, which the emulator does not know.
                exclude_characters=string.punctuation,
            ),
        )
        Validations.of(secret).acknowledge(
            Acknowledgment(id="AwsSolutions-SMG4", reason=not_rotated_because)
        )

    def allow_read(self, role: Role) -> None:
        """Lets the role read the value."""
        # By name, with the six characters that Secrets Manager adds: the emulator denies a Ref.
        arn = Stack.of(self).format_arn(
            service="secretsmanager",
            resource="secret",
            resource_name=f"{self.name}-??????",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        Policy(
            role,
            self.node.id,
            roles=[role],
            statements=[
                PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=[arn])
            ],
        )
