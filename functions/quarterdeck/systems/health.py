"""Health of a system, as far as it is cheap to know: nothing is built, and no model asked."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from quarterdeck.keys import health_key
from quarterdeck.names import format_time
from quarterdeck.systems.configuration import Crew, SystemConfiguration
from quarterdeck.systems.records import System
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import Put
from quarterdeck.tooling.manifest import describe_unknown

CHECK_MINUTES = 15

Status = Literal["healthy", "unhealthy"]


class CrewHealth(BaseModel):
    name: str
    status: Status
    reasons: list[str] = []


class HealthReport(BaseModel):
    status: Status
    checked_at: str
    crews: list[CrewHealth]


class KnownHealth(BaseModel):
    """What the monitor found last. `since`: when it began to be so."""

    status: Status
    since: str
    checked_at: str


class HealthCheck:
    """`has_secret`: whether there is a secret of this name for models; `tools`: the release's."""

    def __init__(
        self, systems: SystemStore, has_secret: Callable[[str], bool], tools: Sequence[str]
    ) -> None:
        self.systems = systems
        self.has_secret = has_secret
        self.tools = tools

    def check(self, system: System, now: datetime) -> HealthReport:
        """Of the current version; a system that never had one is unhealthy."""
        if not system.current_version:
            return HealthReport(status="unhealthy", checked_at=format_time(now), crews=[])
        configuration = self.systems.get_configuration(system.system_id, system.current_version)
        missing = self._find_missing_secrets(configuration)
        ready = {crew.name for crew in self.systems.list_crews(system)}
        crews = [judge_crew(crew, missing, self.tools, ready) for crew in configuration.crews]
        return HealthReport(
            status="unhealthy" if any(c.status == "unhealthy" for c in crews) else "healthy",
            checked_at=format_time(now),
            crews=crews,
        )

    def _find_missing_secrets(self, configuration: SystemConfiguration) -> set[str]:
        named = {name for crew in configuration.crews for name in list_secrets(crew)}
        return {name for name in named if not self.has_secret(name)}

    def note(self, system: System, report: HealthReport) -> None:
        """Keeps what was found, and since when."""
        known = self.get_known(system)
        changed = known is None or known.status != report.status
        item = KnownHealth(
            status=report.status,
            since=report.checked_at if known is None or changed else known.since,
            checked_at=report.checked_at,
        )
        self.systems.table.write(Put(health_key(system.system_id), item.model_dump()))

    def get_known(self, system: System) -> KnownHealth | None:
        item = self.systems.table.get(health_key(system.system_id))
        return KnownHealth.model_validate(item) if item else None


def judge_crew(
    crew: Crew, missing: Collection[str], tools: Sequence[str], ready: Collection[str]
) -> CrewHealth:
    """`missing`: names of secrets; `ready`: of crews with a capacity."""
    reasons = [f"there is no secret '{name}'" for name in list_secrets(crew) if name in missing]
    named = dict.fromkeys(name for agent in crew.members for name in agent.tools)
    reasons += [describe_unknown(name, tools) for name in named if name not in tools]
    if crew.name not in ready:
        reasons.append("the crew has no capacity")
    return CrewHealth(name=crew.name, status="unhealthy" if reasons else "healthy", reasons=reasons)


def list_secrets(crew: Crew) -> Iterator[str]:
    """The names of the secrets of its models, once each."""
    names = [llm.secret for llm in crew.llms]
    if crew.remembering or crew.knowledge:
        names.append(crew.embedder.secret)
    yield from dict.fromkeys(name for name in names if name)


def is_due(shard: int, now: datetime) -> bool:
    """Whether it is the minute of a system whose id falls into `shard` (0 to 14)."""
    return int(now.timestamp()) // 60 % CHECK_MINUTES == shard
