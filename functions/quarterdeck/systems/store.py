"""Crew systems: a META item, immutable versions, and a record of each deployment."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from quarterdeck.blobs import BlobStore
from quarterdeck.errors import (
    Conflict,
    FieldError,
    InvalidInput,
    NotFound,
    Restoring,
    system_not_found,
)
from quarterdeck.idempotency import Once, remember
from quarterdeck.keys import (
    ACTIVE_SYSTEMS,
    EVERY_ACTIVE,
    EVERY_SYSTEM,
    LATER_PREFIX,
    QUEUE_PREFIX,
    SYSTEMS,
    crew_version_key,
    deployment_key,
    name_key,
    plan_key,
    system_key,
    version_key,
)
from quarterdeck.names import format_time, generate_id
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.systems.records import (
    FIRST,
    BackupPlan,
    CrewCapacity,
    CrewVersion,
    Deployment,
    DeploymentState,
    System,
)
from quarterdeck.systems.rollout import begin_first, begin_next, fail_deployment, make_deployment
from quarterdeck.table import ConditionFailed, Item, Page, Table


class LiveTasks(NamedTuple):
    """Whether a crew has tasks with a slot, tasks that are to get one, and tasks that wait for
    people."""

    running: bool
    queued: bool
    waiting: bool


class SystemStore:
    def __init__(self, table: Table, blobs: BlobStore) -> None:
        self.table = table
        self.blobs = blobs

    def create(
        self,
        system_id: str,
        configuration: SystemConfiguration,
        now: datetime,
        once: Once | None = None,
    ) -> System:
        """A system in state `deploying` with its first version; Conflict if the name is taken."""
        started = format_time(now)
        system = System(
            system_id=system_id,
            name=configuration.name,
            state="deploying",
            current_version=0,
            latest_deployment=FIRST,
            deploying=FIRST,
            generation=FIRST,
            crews=tuple(crew.name for crew in configuration.crews),
            created_at=started,
            updated_at=started,
        )
        document = self._store_configuration(system_id, FIRST, configuration)
        try:
            self.table.write(
                *begin_first(system, document, now), *remember(once, {"system_id": system_id}, now)
            )
        except ConditionFailed:
            raise name_taken(system.name) from None
        return system

    def begin_version(
        self, system: System, configuration: SystemConfiguration, now: datetime
    ) -> Deployment:
        """The deployment of a further version.

        InvalidInput for another name; Conflict if the state, or a deployment that runs, forbids it.
        """
        check_deployable(system)
        self.require_same_name(system, configuration)
        deployment = make_deployment(system.latest_deployment + 1, now)
        document = self._store_configuration(system.system_id, deployment.version, configuration)
        return self._begin(system, deployment, document, now)

    def begin_rollback(
        self, system: System, version: int | None, now: datetime, once: Once | None = None
    ) -> Deployment:
        """The deployment of an earlier version's configuration, as a new version.

        Without `version`, of the last one before the current that was ever current.
        """
        check_deployable(system)
        old = self._choose_version(system, version)
        deployment = make_deployment(system.latest_deployment + 1, now, of_version=old)
        document = self._get_version(system.system_id, old)["document"]
        return self._begin(system, deployment, document, now, once)

    def require_free_name(self, name: str) -> None:
        if self.table.get(name_key(name)) is not None:
            raise name_taken(name)

    def require_same_name(self, system: System, configuration: SystemConfiguration) -> None:
        if configuration.name != system.name:
            rule = f"is '{system.name}': a system keeps its name"
            raise InvalidInput([FieldError("name", rule)])

    def abandon(self, system_id: str, number: int, reason: FieldError, now: datetime) -> None:
        """Ends a deployment that no deployer has begun, as failed."""
        deployment = self.get_deployment(system_id, number)
        self.table.write(*fail_deployment(self.get(system_id), deployment, (), [reason], now))

    def _begin(
        self,
        system: System,
        deployment: Deployment,
        document: Item,
        now: datetime,
        once: Once | None = None,
    ) -> Deployment:
        made = {"number": deployment.number}
        try:
            self.table.write(
                *begin_next(system, deployment, document, now), *remember(once, made, now)
            )
        except ConditionFailed:
            raise Conflict("the system has changed meanwhile: read it again") from None
        return deployment

    def _choose_version(self, system: System, version: int | None) -> int:
        if version is None:
            return self._find_previous(system)
        if version == system.current_version:
            raise Conflict(f"version {version} is current")
        try:
            deployed = self.get_deployment(system.system_id, version)
        except NotFound:
            rule = f"the system has no version {version}"
            raise InvalidInput([FieldError("version", rule)]) from None
        if deployed.status != "succeeded":
            raise Conflict(f"version {version} has never been current: its deployment failed")
        return version

    def _find_previous(self, system: System) -> int:
        for number in range(system.current_version - 1, 0, -1):
            deployment = self._find_deployment(system.system_id, number)
            if deployment and deployment.status == "succeeded":
                return number
        raise Conflict("the system has no earlier version")

    def _store_configuration(
        self, system_id: str, version: int, configuration: SystemConfiguration
    ) -> Item:
        # A name that is never used again: two requests for one version keep apart.
        key = f"blobs/versions/{system_id}/{version}-{generate_id()}.json"
        return self.blobs.store_document(key, configuration.model_dump_json(exclude_none=True))

    def get(self, system_id: str) -> System:
        """NotFound if there is none, or none any more."""
        item = self.table.get(system_key(system_id))
        if item is None or item["state"] == "deleted":
            raise system_not_found(system_id)
        return System.model_validate(item)

    def list_page(self, limit: int, start: Item | None) -> Page:
        """The systems, newest first, as the index `systems` keeps them."""
        return self.table.query_index(
            SYSTEMS, EVERY_SYSTEM, newest_first=True, limit=limit, start=start
        )

    def list_active(self) -> Iterable[str]:
        """The ids of systems with a current version."""
        start: Item | None = None
        while True:
            page = self.table.query_index(ACTIVE_SYSTEMS, EVERY_ACTIVE, limit=1000, start=start)
            yield from (item["system_id"] for item in page.items)
            start = page.last_key
            if start is None:
                return

    def get_configuration(self, system_id: str, version: int) -> SystemConfiguration:
        item = self._get_version(system_id, version)
        text = self.blobs.load_document(item["document"])
        return SystemConfiguration.model_validate_json(text)

    def _get_version(self, system_id: str, version: int) -> Item:
        item = self.table.get(version_key(system_id, version))
        if item is None:
            raise NotFound(f"system '{system_id}' has no version {version}")
        return item

    def get_crew_version(self, system: System, crew: str) -> CrewVersion | None:
        """What the current version says of the crew; None if it has no such crew."""
        key = crew_version_key(system.system_id, system.current_version, crew)
        item = self.table.get(key)
        return CrewVersion.model_validate(item) if item else None

    def get_plan(self, system: System) -> BackupPlan:
        """Of the current version."""
        item = self.table.get(plan_key(system.system_id, system.current_version))
        if item is None:
            raise NotFound(f"system '{system.system_id}' has no backup plan")
        return BackupPlan.model_validate(item)

    def get_deployment(self, system_id: str, number: int) -> DeploymentState:
        deployment = self._find_deployment(system_id, number)
        if deployment is None:
            raise NotFound(f"system '{system_id}' has no deployment {number}")
        return deployment

    def _find_deployment(self, system_id: str, number: int) -> DeploymentState | None:
        """None as well for one that a restore into a new system left behind."""
        item = self.table.get(deployment_key(system_id, number))
        return DeploymentState.model_validate(item) if item else None

    def list_deployments(self, system: System, limit: int, before: int | None) -> list[Deployment]:
        """Newest first, those with a number under `before`."""
        newest = before - 1 if before else system.latest_deployment
        if newest < FIRST:
            return []
        oldest = max(newest - limit + 1, FIRST)
        first, last = (deployment_key(system.system_id, number) for number in (oldest, newest))
        found = [
            DeploymentState.model_validate(item).view
            for item in self.table.query(first.pk, first.sk, up_to=last.sk)
        ]
        return found[::-1]

    def list_crews(self, system: System) -> list[CrewCapacity]:
        """The crews of the current version, in the configuration's order."""
        if not system.current_version:
            return []
        items = (self.table.get(system.scope.crew_key(name)) for name in system.crews)
        return [
            CrewCapacity(name=name, capacity=item["capacity"], running=item["running"])
            for name, item in zip(system.crews, items, strict=True)
            if item
        ]

    def count_live(self, system: System, crew: str) -> int:
        """The crew's tasks that wait, for a slot or for people, hold a slot, or are put off."""
        key = system.scope.crew_key(crew)
        item = self.table.get(key)
        if item is None:
            return 0
        queued = sum(self.table.count(key.pk, prefix) for prefix in (QUEUE_PREFIX, LATER_PREFIX))
        running: int = item["running"]
        waiting: int = item.get("waiting", 0)
        return queued + running + waiting

    def find_live(self, system: System, crew: str) -> LiveTasks:
        """Whether `count_live` would find any, and of which kind."""
        key = system.scope.crew_key(crew)
        item = self.table.get(key)
        if item is None:
            return LiveTasks(running=False, queued=False, waiting=False)
        queued = any(
            next(self.table.query(key.pk, prefix, limit=1), None) is not None
            for prefix in (QUEUE_PREFIX, LATER_PREFIX)
        )
        return LiveTasks(item["running"] > 0, queued, item.get("waiting", 0) > 0)


def refuse_while_deploying(system: System) -> None:
    if system.deploying:
        raise Conflict(f"deployment {system.deploying} of the system is running: wait for its end")


def refuse_while_restoring(system: System) -> None:
    """What was written now would be left behind with the generation that the restore replaces."""
    if system.state == "restoring":
        raise Restoring(f"system '{system.name}' is being restored: try again later")


def check_deployable(system: System) -> None:
    refuse_while_deploying(system)
    if system.state not in {"active", "paused"}:
        raise Conflict(f"system '{system.name}' is {system.state}: it takes no further version")


def name_taken(name: str) -> Conflict:
    rule = f"a system named '{name}' exists"
    return Conflict(rule, [FieldError("name", rule)])
