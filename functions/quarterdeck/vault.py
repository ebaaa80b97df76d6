"""Values of Secrets Manager, kept for a minute: a rotated secret is in use after that."""

import time
from typing import TYPE_CHECKING

from quarterdeck.errors import QuarterdeckError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEEP_SECONDS = 60


class SecretMissing(QuarterdeckError):
    type = "secret-missing"
    title = "A secret is missing"


class SecretReader:
    def __init__(self, client: "SecretsManagerClient") -> None:
        self.client = client
        self.kept: dict[str, tuple[float, str]] = {}

    def read(self, name: str) -> str:
        """The secret's text; SecretMissing names it when it is not there or not allowed."""
        read_at, value = self.kept.get(name, (0.0, ""))
        if time.monotonic() - read_at > KEEP_SECONDS or not value:
            value = self._fetch(name)
            self.kept[name] = (time.monotonic(), value)
        return value

    def exists(self, name: str) -> bool:
        """Whether there is such a secret, and it is not to be deleted. Its value is not read."""
        try:
            described = self.client.describe_secret(SecretId=name)
        except self.client.exceptions.ResourceNotFoundException:
            return False
        return "DeletedDate" not in described

    def _fetch(self, name: str) -> str:
        try:
            return self.client.get_secret_value(SecretId=name)["SecretString"]
        except self.client.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            raise SecretMissing(f"secret '{name}' cannot be read: {code}") from None
