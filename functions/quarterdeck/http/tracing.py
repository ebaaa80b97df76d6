"""`X-Correlation-Id`: by which a request, its task and the task's tools are found in all logs."""

import re
from collections.abc import Mapping
from typing import Any

from quarterdeck.errors import FieldError, InvalidInput
from quarterdeck.names import ID_PATTERN

HEADER = "X-Correlation-Id"
CORRELATION_ID = re.compile(r"[\x21-\x7e]{1,128}")
TASK_PATH = re.compile(rf"/crews/[^/]+/tasks/({ID_PATTERN.pattern})(?:/.*)?")


def read_correlation_id(event: Mapping[str, Any]) -> str:
    """The caller's, or else the id of the request; InvalidInput if it is none."""
    given = event.get("headers", {}).get(HEADER.lower())
    if given is None:
        return name_request(event)
    if not CORRELATION_ID.fullmatch(given):
        rule = "is to be 1 to 128 visible ASCII characters, without a space"
        raise InvalidInput([FieldError(HEADER, rule)])
    return str(given)


def name_request(event: Mapping[str, Any]) -> str:
    return str(event["requestContext"]["requestId"])


def find_task(event: Mapping[str, Any]) -> str | None:
    """The task of the path, if it is about one."""
    match = TASK_PATH.fullmatch(event["rawPath"])
    return match[1] if match else None
