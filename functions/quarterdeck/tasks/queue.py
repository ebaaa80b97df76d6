"""The messages that say what to do: SQS queues `tasks`, `deployments` and `backups`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from quarterdeck.observability import count_event, logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class Message(BaseModel):
    model_config = ConfigDict(frozen=True)

    system_id: str


class TaskMessage(Message):
    """A worker may run this task if its epoch is still this one."""

    generation: int
    task_id: str
    epoch: int


class WakeMessage(Message):
    """A task of this crew may be due again: admit."""

    generation: int
    crew_name: str


type WorkMessage = TaskMessage | WakeMessage
"""What the queue `tasks` carries."""


class DeploymentMessage(Message):
    """This deployment is to be carried out, if it has not ended."""

    number: int


class DeletionMessage(Message):
    """This system is to be deleted, if its state says so."""

    delete: Literal[True]


type LifecycleMessage = DeploymentMessage | DeletionMessage
"""What the queue `deployments` carries."""


JobKind = Literal["backup", "verify", "restore_test", "restore"]


class JobMessage(Message):
    """This job is to be carried out, if it has not ended."""

    kind: JobKind
    job_id: str


class PruneMessage(Message):
    """Backups of this system that nobody has to keep any more are to be removed."""

    kind: Literal["prune"]


type BackupMessage = Annotated[JobMessage | PruneMessage, Field(discriminator="kind")]
"""What the queue `backups` carries."""


class Queue[M: Message]:
    """One queue; messages of a system are one fair group, so that no system starves the others."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self.client = client
        self.url = url

    def send(self, message: M, delay_s: int = 0) -> None:
        """Delivered at least once, after `delay_s` seconds (at most 900)."""
        self.client.send_message(
            QueueUrl=self.url,
            MessageBody=message.model_dump_json(),
            MessageGroupId=message.system_id,
            DelaySeconds=delay_s,
        )


def read_messages[M](kind: TypeAdapter[M], event: dict[str, Any]) -> Iterator[M]:
    """The messages of an SQS event; one that is malformed is logged, counted and dropped."""
    for record in event["Records"]:
        try:
            yield kind.validate_json(record["body"])
        except ValidationError as error:
            count_event("MalformedMessage")
            logger.error("Malformed message", body=record["body"][:1000], reason=str(error))
