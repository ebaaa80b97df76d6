"""SQS `tasks` -> one task claimed, run, and ended. The check of a release -> a rehearsal."""

from functools import cache, partial
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import TypeAdapter

from quarterdeck.process import prepare_process

prepare_process()

from quarterdeck.blobs import BlobStore  # noqa: E402 - crewai reads its settings when imported
from quarterdeck.execution.release_rehearsal import rehearse_release  # noqa: E402
from quarterdeck.execution.tool_function import CLIENT, ToolFunction  # noqa: E402
from quarterdeck.execution.tool_proxies import make_proxies  # noqa: E402
from quarterdeck.execution.worker import Worker  # noqa: E402
from quarterdeck.execution.workspace import Workspace  # noqa: E402
from quarterdeck.names import read_clock  # noqa: E402
from quarterdeck.settings import WorkerSettings, load_settings  # noqa: E402
from quarterdeck.table import Table  # noqa: E402
from quarterdeck.tasks.announcer import open_announcer  # noqa: E402
from quarterdeck.tasks.queue import Queue, WorkMessage, read_messages  # noqa: E402
from quarterdeck.tooling.manifest import load_manifest  # noqa: E402
from quarterdeck.vault import SecretReader  # noqa: E402

MESSAGES: TypeAdapter[WorkMessage] = TypeAdapter(WorkMessage)


@cache
def load_worker(memory_mb: int) -> Worker:
    settings = load_settings(WorkerSettings)
    secrets = SecretReader(boto3.client("secretsmanager"))
    tools = ToolFunction(boto3.client("lambda", config=CLIENT), settings.tools_function)
    table = Table(boto3.client("dynamodb"), settings.table_name, settings.retention)
    blobs = BlobStore(boto3.client("s3"), settings.bucket_name)
    return Worker(
        table=table,
        blobs=blobs,
        queue=Queue(boto3.client("sqs"), settings.tasks_queue_url),
        announcer=open_announcer(settings, table, blobs),
        read_secret=lambda name: secrets.read(settings.secret_prefix + name),
        make_tools=partial(make_proxies, manifest=load_manifest(), call=tools.call),
        verbose=settings.debug_mode,
        clock=read_clock,
        workspace=Workspace(memory_mb),
    )


def rehearse(context: LambdaContext) -> dict[str, Any]:
    settings = load_settings(WorkerSettings)
    tools = ToolFunction(boto3.client("lambda", config=CLIENT), settings.tools_function)
    return rehearse_release(
        load_manifest(),
        tools.call,
        lambda: context.get_remaining_time_in_millis() / 1000,
        settings.debug_mode,
    ).model_dump()


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | None:
    if event.get("rehearsal"):
        return rehearse(context)
    worker = load_worker(int(context.memory_limit_in_mb))
    for message in read_messages(MESSAGES, event):
        worker.handle(message, lambda: context.get_remaining_time_in_millis() / 1000)
    return None
