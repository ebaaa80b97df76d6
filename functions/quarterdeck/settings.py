"""What the stacks hand to a function through its environment variables, parsed once."""

import os
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, HttpUrl, Json

from quarterdeck.retention import Retention


class Settings(BaseModel):
    """What every function has; each variable is the field's name in capitals."""

    model_config = ConfigDict(frozen=True)

    environment: str
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    debug_mode: bool


class StateSettings(Settings):
    """Functions that read or write state."""

    table_name: str
    bucket_name: str
    retention: Json[Retention]


class AdmissionSettings(StateSettings):
    """Functions that admit tasks."""

    tasks_queue_url: str


class SecretSettings(Settings):
    secret_prefix: str
    """`quarterdeck/<environment>/`: what stands before a configuration's `secret: NAME`."""


class CrewSettings(StateSettings, SecretSettings):
    """Functions that build crews."""

    tools_function: str
    """ARN of the function that runs the team's tools, at its alias."""


class DeploymentSettings(StateSettings, SecretSettings):
    """Functions that send deployments on their way, and look for secrets."""

    deployments_queue_url: str


class ConfigurationSettings(Settings):
    """Functions that judge configurations."""

    model_base_urls: Json[tuple[HttpUrl, ...]]
    """The base URLs that a configuration may name for its models."""


class BackupRequestSettings(StateSettings):
    """Functions that send backups on their way."""

    backups_queue_url: str


class AnnouncementSettings(StateSettings):
    """Functions that end tasks, or have them wait: where that is told."""

    event_bus_name: str
    question_topic_arn: str


class ApiSettings(
    ConfigurationSettings,
    DeploymentSettings,
    AdmissionSettings,
    BackupRequestSettings,
    AnnouncementSettings,
):
    cursor_secret: str
    """Name of the secret that signs the cursors of lists."""


class DeployerSettings(ConfigurationSettings, DeploymentSettings, CrewSettings):
    backup_frequency: Literal["hourly", "daily", "none"]
    """Of systems whose configuration says none."""


class MonitorSettings(
    DeploymentSettings, AdmissionSettings, BackupRequestSettings, AnnouncementSettings
):
    alert_topic_arn: str
    """Where alerts are told, besides the event bus."""


class BackupSettings(BackupRequestSettings):
    """Where archives are kept, and the KMS key that wraps theirs."""

    archives_bucket_name: str
    archives_key_arn: str
    backup_frequency: Literal["hourly", "daily", "none"]
    """Of systems whose configuration says none."""


class WorkerSettings(CrewSettings, AdmissionSettings, AnnouncementSettings):
    """What it takes to build a crew, to tell how it went, and to admit the next task."""


class ToolsSettings(Settings):
    secret_prefix: str
    """`quarterdeck/<environment>/tools/`: what stands before the names of a tool's secrets."""


class ReleaseCheckSettings(Settings):
    """ARNs of the versions that are to become live."""

    worker_version: str
    api_version: str


class AuthorizerSettings(Settings):
    table_name: str
    admin_key_secret: str


@cache
def load_settings[S: Settings](kind: type[S]) -> S:
    """The function's settings; raises ValidationError naming every missing or wrong variable."""
    return kind.model_validate({name: os.environ.get(name.upper()) for name in kind.model_fields})
