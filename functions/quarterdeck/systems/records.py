"""What is kept of a crew system besides its configurations: META, deployments, crews."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from quarterdeck.errors import FieldError
from quarterdeck.keys import Scope
from quarterdeck.systems.configuration import Budget, Metric, Threshold

FIRST = 1
"""Of versions, deployments and generations."""

State = Literal["deploying", "active", "paused", "failed", "deleting"]
Frequency = Literal["hourly", "daily", "none"]
StageName = Literal[
    "validate", "create_crews", "monitoring", "scaling", "backups", "health_checks", "activate"
]


class Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class System(Record):
    """META. `current_version` is 0 until a deployment has succeeded.

    `retired`: crews of earlier versions, which may have tasks still. `deploying`: the number of the
    deployment that runs.
    """

    system_id: str
    name: str
    state: State
    current_version: int
    latest_deployment: int
    deploying: int | None = None
    generation: int
    crews: tuple[str, ...]
    retired: tuple[str, ...] = ()
    created_at: str
    updated_at: str

    @property
    def scope(self) -> Scope:
        return Scope(self.system_id, self.generation)

    @property
    def etag(self) -> str:
        """Changes with each deployment that begins."""
        return f'"{self.latest_deployment}"'


class Reason(Record):
    """`field` is a path in the configuration."""

    field: str
    rule: str


class Stage(Record):
    name: StageName
    status: Literal["running", "succeeded", "failed"]
    started_at: str
    ended_at: str | None = None


class Deployment(Record):
    """One attempt to make a version current. The version has the deployment's number."""

    number: int
    version: int
    kind: Literal["deploy", "rollback"] = "deploy"
    of_version: int | None = None
    """Whose configuration a rollback takes."""
    status: Literal["running", "succeeded", "failed"]
    stages: tuple[Stage, ...] = ()
    reasons: tuple[Reason, ...] = ()
    """Why it failed."""
    started_at: str
    ended_at: str | None = None


class DeploymentState(Deployment):
    """With what a deployer needs to be the only one. `attempts`: how many have begun.

    `claimed_by`: whose it is until the lease ends; None while its message is on the way.
    """

    epoch: int = 0
    attempts: int = 0
    claimed_by: str | None = None
    lease_expires_at: str | None = None

    @property
    def view(self) -> Deployment:
        return Deployment.model_validate(self.model_dump(include=set(Deployment.model_fields)))


class CrewCapacity(BaseModel):
    """`capacity` is how many tasks the crew may run at once, `running` how many hold a slot."""

    name: str
    capacity: int
    running: int


class CrewState(Record):
    """What a deployment looks at in a CREW item."""

    capacity: int
    paused: bool = False


class ScalingPolicy(Record):
    min_agents: int
    max_agents: int
    scale_up_threshold: float
    scale_down_threshold: float
    cooldown_period: int

    def clamp(self, capacity: int) -> int:
        return min(max(capacity, self.min_agents), self.max_agents)


class CrewVersion(Record):
    """What a version says of a crew, for those who need not read the whole configuration."""

    placeholders: tuple[str, ...]
    policy: ScalingPolicy
    thresholds: dict[Metric, Threshold] = {}
    """The system's own, of all its crews."""
    budget: Budget = Budget()


class BackupPlan(Record):
    frequency: Frequency
    retention_days: int
    storage: Literal["cloud", "cloud_cold"]
    encryption_enabled: bool
    test_restores: bool


def list_reasons(reasons: "tuple[FieldError, ...] | list[FieldError]") -> list[dict[str, str]]:
    """As an item keeps them."""
    return [reason._asdict() for reason in reasons]
