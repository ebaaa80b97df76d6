"""The function that knows who asks."""

from aws_cdk import Duration
from constructs import Construct

from infra.environment import Target
from infra.function_code import FunctionCode
from infra.generated_secret import GeneratedSecret
from infra.service_function import ServiceFunction
from infra.state_table import StateTable


class Authorizer(ServiceFunction):
    """Turns an API key into a principal, or refuses it."""

    def __init__(
        self,
        scope: Construct,
        *,
        target: Target,
        code: FunctionCode,
        table: StateTable,
        admin_key: GeneratedSecret,
    ) -> None:
        super().__init__(
            scope,
            "authorizer",
            target=target,
            code=code,
            timeout=Duration.seconds(5),
            memory_mib=256,
            settings={"TABLE_NAME": table.name, "ADMIN_KEY_SECRET": admin_key.name},
        )
        # It notes when a key was used in the list of keys, and changes nothing of what one grants.
        table.allow_within(
            self.role, {"dynamodb:GetItem": ("KEY#*", "KEYS"), "dynamodb:UpdateItem": ("KEYS",)}
        )
        admin_key.allow_read(self.role)
