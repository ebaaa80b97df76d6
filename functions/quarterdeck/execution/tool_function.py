"""Calls of the `tools` function: tried again while that cannot do a thing twice unnoticed."""

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
)
from pydantic import BaseModel, ValidationError

from quarterdeck.execution.gate import draw_jitter
from quarterdeck.execution.journaled_tool import CallInDoubt
from quarterdeck.observability import logger
from quarterdeck.tooling.manifest import Tool
from quarterdeck.tooling.messages import ToolAnswer, ToolCheck, ToolFault, ToolRequest
from quarterdeck.tooling.policy import LOADING_SECONDS, LONGEST_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0)
READ_SECONDS = LONGEST_SECONDS + LOADING_SECONDS + 60
"""Longer than the function itself may take: its end is seen, and not a silence."""

CLIENT = Config(
    connect_timeout=5,
    read_timeout=READ_SECONDS,
    # boto would send a call again without asking whether it may be.
    retries={"total_max_attempts": 1},
    max_pool_connections=32,
    tcp_keepalive=True,
)
NOT_BEGUN = (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError)
THROTTLED = frozenset({"EC2ThrottledException", "ThrottlingException", "TooManyRequestsException"})


class ToolsUnreachable(Exception):
    """The function did not answer; what a caller may know of why."""


class ToolFunction:
    def __init__(
        self, client: "LambdaClient", name: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.client = client
        self.name = name
        self.sleep = sleep

    def call(self, tool: Tool, request: ToolRequest) -> ToolAnswer:
        """The tool's answer; ToolsUnreachable, or CallInDoubt if it may have acted and says so."""
        return self._try(request, repeatable=not tool.has_effect or tool.in_doubt == "repeat")

    def check(self, tool: Tool) -> ToolAnswer:
        """An error if the tool cannot be loaded or one of its secrets not be read."""
        return self._try(ToolCheck(tool=tool.name), repeatable=True)

    def _try(self, message: BaseModel, *, repeatable: bool) -> ToolAnswer:
        for delay in (*DELAYS, None):
            try:
                return self._invoke(message)
            except (ClientError, BotoCoreError) as error:
                if not is_passing(error):
                    raise ToolsUnreachable(describe_failure(error)) from None
                if not (repeatable or is_refused(error)):
                    raise CallInDoubt(describe_failure(error)) from None
                if delay is None:
                    raise ToolsUnreachable(describe_failure(error)) from None
                logger.warning("The tools function did not answer", reason=name_failure(error))
            self.sleep(delay * (1 + draw_jitter()))
        raise AssertionError("the last try returns or raises")

    def _invoke(self, message: BaseModel) -> ToolAnswer:
        payload = message.model_dump_json(exclude_none=True).encode()
        answer = self.client.invoke(FunctionName=self.name, Payload=payload)
        content = answer["Payload"].read()
        if "FunctionError" not in answer:
            try:
                return ToolAnswer.model_validate_json(content)
            except ValidationError:
                return answer_crash("its answer cannot be read")
        try:
            reason = str(json.loads(content)["errorType"])
        except (KeyError, TypeError, ValueError):
            reason = answer["FunctionError"]
        return answer_crash(reason)


def answer_crash(reason: str) -> ToolAnswer:
    message = f"it ended without an answer ({reason}); whether the tool acted is not known"
    return ToolAnswer(error=ToolFault(type="ToolsFunctionCrashed", message=message))


def is_refused(error: ClientError | BotoCoreError) -> bool:
    """Whether the call has surely not begun."""
    if isinstance(error, ClientError):
        return error.response["Error"].get("Code") in THROTTLED
    return isinstance(error, NOT_BEGUN)


def is_passing(error: ClientError | BotoCoreError) -> bool:
    """Whether the same call can be answered another time."""
    if is_refused(error) or not isinstance(error, ClientError):
        return True
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500


def describe_failure(error: ClientError | BotoCoreError) -> str:
    """By its kind alone: messages of AWS hold addresses and ARNs, which no model is to learn."""
    return f"the tools function cannot be called: {name_failure(error)}"


def name_failure(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, ClientError):
        return error.response["Error"].get("Code", "no code")
    return type(error).__name__
