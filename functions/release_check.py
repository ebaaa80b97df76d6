"""CodeDeploy, before a release gets traffic -> whether its worker and its API work."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from quarterdeck.release_checks import CLIENT, HookEvent, ReleaseCheck, answer_hook
from quarterdeck.settings import ReleaseCheckSettings, load_settings


@cache
def load_check() -> ReleaseCheck:
    settings = load_settings(ReleaseCheckSettings)
    functions = boto3.client("lambda", config=CLIENT)
    return ReleaseCheck(functions, settings.worker_version, settings.api_version)


def lambda_handler(event: dict[str, Any], _: LambdaContext) -> None:
    hook = HookEvent.model_validate(event)
    answer_hook(boto3.client("codedeploy"), hook, load_check().find_faults())
