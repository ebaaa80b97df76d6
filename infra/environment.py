"""The settings of an environment, and where its stacks are to run."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from layers.packages import Platform

DIRECTORY = Path(__file__).parent / "environments"

# As a browser sends it: no path, no slash at the end.
type Origin = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[^/\s*]+$"),
    Field(json_schema_extra={"format": "origin"}),
]
type MailAddress = Annotated[
    str,
    StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$"),
    Field(json_schema_extra={"format": "email"}),
]


def refuse_reserved(key: str) -> str:
    if key.lower().startswith("aws:"):
        raise ValueError("aws: is AWS's own prefix")
    return key


# What AWS takes for a tag of a stack.
TAG_TEXT = r"^[\w\s.:/=+@-]*$"
type TagKey = Annotated[
    str,
    StringConstraints(pattern=TAG_TEXT, min_length=1, max_length=128),
    AfterValidator(refuse_reserved),
]
type TagValue = Annotated[
    str,
    StringConstraints(pattern=TAG_TEXT, max_length=256),
    Field(json_schema_extra={"format": "tag"}),
]


class InvalidEnvironmentError(Exception):
    """An environment that cannot be used; its text has one line for each problem."""


class Domain(BaseModel):
    """A name of the team's own for the API."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^([a-z0-9-]+\.)+[a-z]{2,}$")]
    certificate_arn: Annotated[
        str, StringConstraints(pattern=r"^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[\w-]+$")
    ]
    """Of ACM, for that name, in the region of the stack."""


class Canary(BaseModel):
    """A share of the traffic tries a release for some minutes before the rest follows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    percent: int = Field(ge=1, le=99)
    minutes: int = Field(ge=1, le=60)


type SubnetId = Annotated[str, StringConstraints(pattern=r"^subnet-[0-9a-f]{8,17}$")]
type SecurityGroupId = Annotated[str, StringConstraints(pattern=r"^sg-[0-9a-f]{8,17}$")]


class Vpc(BaseModel):
    """A network of the team's own; the numbers are those that Lambda takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subnet_ids: tuple[SubnetId, ...] = Field(min_length=1, max_length=16)
    security_group_ids: tuple[SecurityGroupId, ...] = Field(min_length=1, max_length=5)


type Days = Annotated[int, Field(ge=1, le=3650)]


class Retention(BaseModel):
    """For how many days the table keeps what ends or passes; functions read the same fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tasks_days: Days
    """Tasks, requests and results, after their end."""
    events_days: Days
    """What happened in a task's run."""
    journals_days: int = Field(ge=2, le=3650)
    """The recorded calls of tasks: what they are taken up from, and what a retry reads."""
    traces_days: Days
    """What was said in the calls of systems that ask for a trace."""
    metrics_days: int = Field(ge=15, le=3650)
    """Buckets of a minute; the API's windows reach back for 15 days."""
    decisions_days: Days
    """Of scaling."""
    alerts_days: Days
    """The history of alerts."""

    @field_validator("events_days", "journals_days", "traces_days")
    @classmethod
    def _refuse_orphans(cls, days: int, others: ValidationInfo) -> int:
        if days > (tasks := others.data.get("tasks_days", days)):
            raise ValueError(f"must not be over tasks_days ({tasks}): nothing leads there any more")
        return days


class Environment(BaseModel):
    """What one environment sets; every field is a key of its YAML file, and none has a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    debug_mode: bool
    """Crews log each step."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    """Of the functions' logs."""
    max_concurrent_tasks: int = Field(ge=2, le=1000)
    """Tasks that run at once, over all systems; Lambda's event source takes 2 to 1000."""
    backup_frequency: Literal["hourly", "daily", "none"]
    """Of systems whose configuration says none."""
    backup_lock_days: int | None = Field(ge=1, le=3650)
    """For how long S3 keeps what a backup writes from being deleted (Object Lock, governance)."""
    model_base_urls: tuple[HttpUrl, ...]
    """The base URLs that a configuration may name for its models."""
    cors_origins: tuple[Origin, ...]
    """The origins of web pages that may call the API."""
    domain: Domain | None
    """A name of your own for the API, as `name` and `certificate_arn`; null: API Gateway's."""
    alarm_email: MailAddress | None
    """Who gets alerts and alarms by mail, once the address is confirmed; null: nobody."""
    question_email: MailAddress | None
    """Who gets the questions of tasks that wait by mail, once confirmed; null: nobody."""
    snap_start: bool
    """The API starts from a snapshot of itself, taken when it is deployed."""
    provisioned_concurrency: int = Field(ge=0, le=1000)
    """Instances of the API that are kept ready, at a price by the hour; not with `snap_start`."""
    canary: Canary | None
    """The share of traffic that a release gets first, as `percent` and `minutes`; null: all."""
    vpc: Vpc | None
    """Where functions run, as `subnet_ids` and `security_group_ids`; null: in Lambda's network."""
    retention: Retention
    """For how many days the table keeps what ends or passes."""
    log_retention_days: Literal[1, 7, 14, 30, 90, 180, 365, 731, 1827, 3653]
    """How long the functions' logs and the API's access log are kept."""
    removal_policy: Literal["destroy", "retain"]
    """What becomes of the table, buckets, keys and logs when their stack is deleted."""
    deletion_protection: bool
    """The table and the data stack refuse to be deleted."""
    recovery_days: int = Field(ge=1, le=35)
    """How far back the table can be restored to a point in time."""
    tags: dict[TagKey, TagValue]
    """On both stacks; CloudFormation puts them on all that they make."""

    @field_validator("provisioned_concurrency")
    @classmethod
    def _refuse_both(cls, instances: int, others: ValidationInfo) -> int:
        if instances and others.data.get("snap_start"):
            raise ValueError("AWS refuses it with snap_start: one of them at most")
        return instances


class Target(BaseModel):
    """Where the stacks are to run, and with which settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Stacks, buses and functions are named by it, and secrets by its part of a path.
    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    environment: Environment
    platform: Platform = "arm64"
    local: bool = False
    """In the emulator instead of AWS."""

    @property
    def enforce_ssl(self) -> bool:
        """False only for the emulator, which speaks plain HTTP; nothing else differs there."""
        return not self.local


def load_target(name: str, directory: Path = DIRECTORY, **options: object) -> Target:
    """Reads `directory`/NAME.yaml; raises InvalidEnvironmentError with all that is wrong."""
    path = directory / f"{name}.yaml"
    if path not in (known := sorted(directory.glob("*.yaml"))):
        names = ", ".join(each.stem for each in known)
        raise InvalidEnvironmentError(f"environment: {name!r} is unknown; known are {names}")
    try:
        settings = Environment.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        return Target.model_validate({**options, "name": name, "environment": settings})
    except yaml.YAMLError as error:
        raise InvalidEnvironmentError(f"{path.name}: {error}") from None
    except ValidationError as error:
        lines = (
            f"{_join_path(item['loc']) or path.name}: {item['msg']}" for item in error.errors()
        )
        raise InvalidEnvironmentError("\n".join(lines)) from None


def _join_path(parts: Iterable[int | str]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".")
