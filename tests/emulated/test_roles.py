"""What a function's role must not do is refused, and what it does is not: IAM as it is enforced."""

from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.local.emulator import REGION, Emulator
from infra.local.service import Service

type Call = tuple[str, str, dict[str, Any]]
"""Service, operation, parameters."""

TABLE, BUCKET, QUEUE = "TableName", "BucketName", "TasksQueueUrl"
KEY = {"pk": {"S": "x"}, "sk": {"S": "x"}}


def read_secret(name: str) -> Call:
    return ("secretsmanager", "get_secret_value", {"SecretId": name})


GET: Call = ("dynamodb", "get_item", {TABLE: TABLE, "Key": KEY})
NOTE_USE: Call = ("dynamodb", "update_item", {TABLE: TABLE, "Key": KEY})
PUT: Call = ("dynamodb", "put_item", {TABLE: TABLE, "Item": KEY})
SCAN: Call = ("dynamodb", "scan", {TABLE: TABLE})
DROP: Call = ("dynamodb", "delete_table", {TABLE: TABLE})
QUERY: Call = (
    "dynamodb",
    "query",
    {
        TABLE: TABLE,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "x"}},
    },
)
SEND: Call = ("sqs", "send_message", {"QueueUrl": QUEUE, "MessageBody": "x"})
RECEIVE: Call = ("sqs", "receive_message", {"QueueUrl": QUEUE})
READ_BLOB: Call = ("s3", "get_object", {"Bucket": BUCKET, "Key": "blobs/x"})
WRITE_BLOB: Call = ("s3", "put_object", {"Bucket": BUCKET, "Key": "blobs/x", "Body": b"x"})
WRITE_ELSEWHERE: Call = ("s3", "put_object", {"Bucket": BUCKET, "Key": "other/x", "Body": b"x"})
REMOVE_BLOB: Call = ("s3", "delete_object", {"Bucket": BUCKET, "Key": "blobs/versions/x"})
REMOVE_OF_TASK: Call = ("s3", "delete_object", {"Bucket": BUCKET, "Key": "blobs/tasks/x/y"})
LIST_OF_TASK: Call = ("s3", "list_objects_v2", {"Bucket": BUCKET, "Prefix": "blobs/tasks/x/"})
LIST_BLOBS: Call = ("s3", "list_objects_v2", {"Bucket": BUCKET, "Prefix": "blobs/"})
ARCHIVES = "ArchivesBucketName"
READ_ARCHIVE: Call = ("s3", "get_object", {"Bucket": ARCHIVES, "Key": "backups/x"})
WRITE_ARCHIVE: Call = ("s3", "put_object", {"Bucket": ARCHIVES, "Key": "backups/x", "Body": b"x"})
WRITE_BESIDE: Call = ("s3", "put_object", {"Bucket": ARCHIVES, "Key": "other/x", "Body": b"x"})
REMOVE_ARCHIVE: Call = ("s3", "delete_object", {"Bucket": ARCHIVES, "Key": "backups/x"})
MAKE_KEY: Call = (
    "kms",
    "generate_data_key",
    {
        "KeyId": "ArchivesKeyArn",
        "NumberOfBytes": 32,
        "EncryptionContext": {"system": "x", "backup": "x"},
    },
)
ADMIN_KEY = read_secret("quarterdeck-system/development/admin-key")
CURSOR_KEY = read_secret("quarterdeck-system/development/cursor-key")
MODEL_KEY = read_secret("quarterdeck/development/provider")
TOOL_KEY = read_secret("quarterdeck/development/tools/search")
OTHER_KEY = read_secret("quarterdeck/production/provider")
LOOK_UP: Call = (
    "secretsmanager",
    "describe_secret",
    {"SecretId": "quarterdeck/development/provider"},
)
OTHER_TOOL_KEY = read_secret("quarterdeck/production/tools/search")
INVOKE: Call = ("lambda", "list_functions", {})
CALL_TOOLS: Call = ("lambda", "invoke", {"FunctionName": "ToolsFunction", "Payload": b"{}"})
CALL_UNRELEASED: Call = (
    "lambda",
    "invoke",
    {"FunctionName": "ToolsFunctionUnreleased", "Payload": b"{}"},
)
PUBLISH: Call = ("sns", "publish", {"TopicArn": "AlertTopicArn", "Message": "x"})
ASK: Call = ("sns", "publish", {"TopicArn": "QuestionTopicArn", "Message": "x"})


def put_event(bus: str) -> Call:
    entry = {"Source": "test", "DetailType": "x", "Detail": "{}", "EventBusName": bus}
    return ("events", "put_events", {"Entries": [entry]})


PUT_EVENT, PUT_ELSEWHERE = put_event("quarterdeck-development"), put_event("default")

DENIED: dict[str, list[Call]] = {
    "api": [
        *(ADMIN_KEY, MODEL_KEY, TOOL_KEY, SCAN, DROP, RECEIVE, WRITE_ELSEWHERE, INVOKE, CALL_TOOLS),
        *(PUBLISH, PUT_ELSEWHERE, READ_ARCHIVE, WRITE_ARCHIVE, REMOVE_ARCHIVE, MAKE_KEY),
        *(REMOVE_BLOB, LIST_BLOBS),
    ],
    "authorizer": [CURSOR_KEY, MODEL_KEY, PUT, QUERY, SCAN, SEND, READ_BLOB, INVOKE, CALL_TOOLS],
    "deployer": [
        *(ADMIN_KEY, CURSOR_KEY, TOOL_KEY, OTHER_KEY, SCAN, DROP, SEND, WRITE_ELSEWHERE, INVOKE),
        *(REMOVE_OF_TASK, CALL_UNRELEASED, PUBLISH, ASK, PUT_EVENT, READ_ARCHIVE, MAKE_KEY),
    ],
    "worker": [
        *(ADMIN_KEY, CURSOR_KEY, TOOL_KEY, OTHER_KEY, SCAN, DROP, WRITE_ELSEWHERE, INVOKE),
        *(CALL_UNRELEASED, PUBLISH, PUT_ELSEWHERE, READ_ARCHIVE, MAKE_KEY),
        *(REMOVE_OF_TASK, LIST_OF_TASK),
    ],
    "monitor": [
        *(ADMIN_KEY, CURSOR_KEY, MODEL_KEY, SCAN, WRITE_ELSEWHERE, RECEIVE, INVOKE),
        *(CALL_TOOLS, REMOVE_OF_TASK, PUT_ELSEWHERE, READ_ARCHIVE, REMOVE_ARCHIVE, MAKE_KEY),
    ],
    "backup": [
        *(ADMIN_KEY, CURSOR_KEY, MODEL_KEY, TOOL_KEY, SCAN, DROP, SEND, WRITE_ELSEWHERE),
        *(WRITE_BESIDE, INVOKE, CALL_TOOLS, PUBLISH, ASK, PUT_EVENT),
    ],
    "tools": [
        *(ADMIN_KEY, CURSOR_KEY, MODEL_KEY, OTHER_KEY, OTHER_TOOL_KEY, GET, PUT, QUERY, SCAN, DROP),
        *(LOOK_UP, SEND, RECEIVE, READ_BLOB, WRITE_BLOB, INVOKE, CALL_TOOLS, PUBLISH, PUT_EVENT),
    ],
}
ALLOWED: dict[str, list[Call]] = {
    "api": [
        *(CURSOR_KEY, LOOK_UP, GET, PUT, QUERY, WRITE_BLOB, READ_BLOB, PUT_EVENT),
        *(REMOVE_OF_TASK, LIST_OF_TASK),
    ],
    "authorizer": [ADMIN_KEY, GET, NOTE_USE],
    "deployer": [MODEL_KEY, GET, PUT, QUERY, WRITE_BLOB, READ_BLOB, CALL_TOOLS],
    "worker": [MODEL_KEY, GET, PUT, QUERY, WRITE_BLOB, READ_BLOB, CALL_TOOLS, ASK, PUT_EVENT],
    "monitor": [LOOK_UP, GET, PUT, QUERY, WRITE_BLOB, READ_BLOB, PUBLISH, ASK, PUT_EVENT],
    "backup": [
        *(GET, PUT, QUERY, READ_BLOB, READ_ARCHIVE, WRITE_ARCHIVE, REMOVE_ARCHIVE, MAKE_KEY),
    ],
    "tools": [TOOL_KEY],
}


REFUSALS = {"AccessDenied", "AccessDeniedException", "AuthorizationError"}
"""The last one is what SNS says."""


@pytest.fixture(scope="module")
def secrets(aws: Callable[[str], Any], service: Service) -> None:
    """What a team would have made."""
    for call in (MODEL_KEY, TOOL_KEY, OTHER_KEY, OTHER_TOOL_KEY):
        aws("secretsmanager").create_secret(Name=call[2]["SecretId"], SecretString="s3cret")


@pytest.fixture(scope="module")
def roles(aws: Callable[[str], Any], service: Service) -> Mapping[str, str]:
    """The ARN of each function's role."""
    return {
        function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]: function["Role"]
        for function in aws("lambda").list_functions()["Functions"]
        if "POWERTOOLS_SERVICE_NAME" in function.get("Environment", {}).get("Variables", {})
    }


@pytest.fixture
def attempt(
    emulator: Emulator,
    service: Service,
    aws: Callable[[str], Any],
    roles: Mapping[str, str],
    secrets: None,
) -> Callable[[str, Call], str]:
    """Makes the call with the rights of a function: `done`, or the code of the refusal."""

    def make_call(function: str, call: Call) -> str:
        name, operation, parameters = call
        session = aws("sts").assume_role(RoleArn=roles[function], RoleSessionName="test")
        keys = session["Credentials"]
        client = boto3.session.Session(
            keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], REGION
        ).client(name, endpoint_url=emulator.endpoint)  # type: ignore[call-overload]
        tools = service.outputs["ToolsFunction"]
        named = {**service.outputs, "ToolsFunctionUnreleased": tools.removesuffix(":live")}
        resolved = {
            key: named.get(value, value) if isinstance(value, str) else value
            for key, value in parameters.items()
        }
        try:
            getattr(client, operation)(**resolved)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "done"

    return make_call


@pytest.mark.parametrize(
    ("function", "call"),
    [(function, call) for function, calls in DENIED.items() for call in calls],
    ids=lambda value: value if isinstance(value, str) else value[1],
)
def test_is_refused(attempt: Callable[[str, Call], str], function: str, call: Call) -> None:
    assert attempt(function, call) in REFUSALS


@pytest.mark.parametrize(
    ("function", "call"),
    [(function, call) for function, calls in ALLOWED.items() for call in calls],
    ids=lambda value: value if isinstance(value, str) else value[1],
)
def test_is_allowed(attempt: Callable[[str, Call], str], function: str, call: Call) -> None:
    assert attempt(function, call) in {"done", "NoSuchKey"}
