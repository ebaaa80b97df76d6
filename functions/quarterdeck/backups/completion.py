"""The last write of a restore: what it takes, and what is made ready before it."""

from dataclasses import replace

from pydantic import ValidationError

from quarterdeck.backups.batches import MOST_ITEMS
from quarterdeck.backups.job import Hold, JobFailed
from quarterdeck.backups.restores import Restore
from quarterdeck.backups.sources import Sources
from quarterdeck.backups.swap import describe_restored, found_system, swap_generation
from quarterdeck.backups.versions import name_blob
from quarterdeck.keys import DEPLOYMENT_PREFIX, Scope, deployment_key, name_key
from quarterdeck.names import format_time
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.systems.records import FIRST, Frequency, System
from quarterdeck.systems.rollout import prepare_alerts, prepare_crews, prepare_plan
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import Put, Write


class Completion:
    """What it makes ready carries the version or the generation that nobody knows yet."""

    def __init__(
        self, systems: SystemStore, hold: Hold[Restore], sources: Sources, frequency: Frequency
    ) -> None:
        self.systems = systems
        self.hold = hold
        self.sources = sources
        self.frequency = frequency
        self.now = hold.clock()

    def prepare(self) -> list[Write]:
        """The writes of the one transaction that makes it all visible."""
        try:
            return self._replace() if self.hold.job.into is None else self._found()
        except ValidationError as error:
            raise JobFailed(
                f"the configuration cannot be read: {error.errors()[0]['msg']}"
            ) from None

    def _replace(self) -> list[Write]:
        job, systems = self.hold.job, self.systems
        system = systems.get(job.system_id)
        if "crew_configurations" in job.parts:
            _, configuration = self.sources.read_configuration()
            version = system.latest_deployment + 1
            text = configuration.model_dump_json(exclude_none=True)
            document = systems.blobs.store_document(name_blob(job, version), text)
        else:
            version, document = system.current_version, None
            configuration = systems.get_configuration(job.system_id, version)
        restored = describe_restored(job, system, configuration, version, format_time(self.now))
        if document is not None:
            self._make_ready(restored, configuration)
        self._copy_alerts(system.scope, restored.scope)
        capacities = self.sources.read_capacities()
        return swap_generation(job, restored, configuration, capacities, document, self.now)

    def _found(self) -> list[Write]:
        job = self.hold.job
        name = str(job.into)
        self._require_free(name)
        version, configuration = self.sources.read_configuration()
        configuration = configuration.model_copy(update={"name": name})
        now = format_time(self.now)
        blank = System(
            system_id=job.target_id,
            name=name,
            state="active",
            current_version=version,
            latest_deployment=self._find_latest(job.target_id),
            generation=job.generation,
            crews=(),
            created_at=now,
            updated_at=now,
        )
        restored = describe_restored(job, blank, configuration, version, now)
        self._make_ready(restored, configuration)
        alerts = prepare_alerts(restored, version, configuration, self.now)
        self._write([replace(put, conditions=()) for put in alerts])
        return found_system(restored, configuration, self.sources.read_capacities())

    def _make_ready(self, restored: System, configuration: SystemConfiguration) -> None:
        version = restored.current_version
        plan = prepare_plan(restored, version, configuration, self.frequency)
        self._write([*prepare_crews(restored, version, configuration), plan])

    def _copy_alerts(self, old: Scope, new: Scope) -> None:
        """What is raised stays so, and what was to be told of it is told."""
        items = self.systems.table.query(old.alerts_partition, "")
        puts = []
        for item in items:
            key = new.place(old.strip(item.pop("pk")), item.pop("sk"))
            puts.append(Put(key, item))
        self._write(puts)

    def _write(self, puts: list[Put]) -> None:
        for first in range(0, len(puts), MOST_ITEMS):
            self.hold.advance({}, *puts[first : first + MOST_ITEMS])

    def _require_free(self, name: str) -> None:
        if self.systems.table.get(name_key(name)) is not None:
            raise JobFailed(f"a system named '{name}' exists")

    def _find_latest(self, system_id: str) -> int:
        """The number of the last version that was brought back."""
        partition = deployment_key(system_id, FIRST).pk
        page = self.systems.table.query_newest(partition, DEPLOYMENT_PREFIX, limit=1)
        return int(page.items[0]["number"])
