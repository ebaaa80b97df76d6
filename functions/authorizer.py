"""API Gateway's question whether a key may come in -> principal, or no."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from quarterdeck.identity.authentication import Authenticator, read_bearer
from quarterdeck.identity.keys import KeyStore
from quarterdeck.identity.principal import pack_principal
from quarterdeck.identity.uses import KeyUses
from quarterdeck.names import read_clock
from quarterdeck.settings import AuthorizerSettings, load_settings
from quarterdeck.table import Table
from quarterdeck.vault import SecretReader

IMPATIENT = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})
"""For what may fail: the function has five seconds in all."""


@cache
def load_authenticator() -> Authenticator:
    settings = load_settings(AuthorizerSettings)
    secrets = SecretReader(boto3.client("secretsmanager"))
    return Authenticator(
        KeyStore(Table(boto3.client("dynamodb"), settings.table_name)),
        KeyUses(Table(boto3.client("dynamodb", config=IMPATIENT), settings.table_name)),
        lambda: secrets.read(settings.admin_key_secret),
        read_clock,
    )


def lambda_handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    key = read_bearer(event.get("headers", {}).get("authorization"))
    principal = load_authenticator().identify(key) if key else None
    if principal is None:
        return {"isAuthorized": False}
    return {"isAuthorized": True, "context": pack_principal(principal)}
