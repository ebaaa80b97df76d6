"""What CodeDeploy asks before a release gets traffic: whether its new versions work at all."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from pydantic import BaseModel, Field

from quarterdeck.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

CLIENT = Config(connect_timeout=5, read_timeout=80, retries={"total_max_attempts": 2})
"""Both checks may be tried twice. A worker that starts imports crewai, and so do the tools."""
REHEARSAL = {"rehearsal": True}
HEALTH = {
    "version": "2.0",
    "rawPath": "/health",
    "rawQueryString": "",
    "headers": {},
    "requestContext": {
        "http": {"method": "GET", "path": "/health", "sourceIp": "127.0.0.1"},
        "stage": "$default",
        "requestId": "release-check",
    },
    "isBase64Encoded": False,
}
"""As the HTTP API sends a request without a key."""


class HookEvent(BaseModel):
    """As CodeDeploy names what it waits for."""

    deployment_id: str = Field(alias="DeploymentId")
    execution_id: str = Field(alias="LifecycleEventHookExecutionId")


@dataclass(frozen=True)
class ReleaseCheck:
    """`worker`, `api`: the ARNs of the versions that are to become live."""

    functions: "LambdaClient"
    worker: str
    api: str

    def find_faults(self) -> list[str]:
        """What keeps the release from getting traffic; asks both, whatever the one says."""
        return [*self._check("worker", self._rehearse), *self._check("api", self._ask_health)]

    def _check(self, name: str, find_fault: Callable[[], str | None]) -> Iterator[str]:
        try:
            fault = find_fault()
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
        if fault:
            yield f"{name}: {fault}"

    def _rehearse(self) -> str | None:
        answer = self._invoke(self.worker, REHEARSAL)
        logger.info("The worker rehearsed", answer=answer)
        fault: str | None = answer["fault"]
        return fault

    def _ask_health(self) -> str | None:
        answer = self._invoke(self.api, HEALTH)
        status = answer["statusCode"]
        return None if status == 200 else f"GET /health answers {status}: {answer.get('body')}"

    def _invoke(self, arn: str, payload: dict[str, Any]) -> Any:
        """What the version answers; FunctionFailed in its words."""
        answer = self.functions.invoke(FunctionName=arn, Payload=json.dumps(payload).encode())
        content = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise FunctionFailed(describe_failure(content))
        return content


class FunctionFailed(Exception):
    """The new version did not get as far as an answer."""


def describe_failure(content: Any) -> str:
    """What Lambda says of an error: its class, and its message."""
    if not isinstance(content, dict):
        return str(content)
    said = (content.get("errorType"), content.get("errorMessage"))
    return ": ".join(str(each) for each in said if each) or "no reason was given"


def answer_hook(codedeploy: Any, hook: HookEvent, faults: list[str]) -> None:
    """Lets the release go on, or ends it; says why in the log."""
    if faults:
        logger.error("The release is refused", deployment=hook.deployment_id, faults=faults)
    codedeploy.put_lifecycle_event_hook_execution_status(
        deploymentId=hook.deployment_id,
        lifecycleEventHookExecutionId=hook.execution_id,
        status="Failed" if faults else "Succeeded",
    )
