"""What a restore reads: the backup, and the safety backup that was made before it."""

from collections.abc import Iterator

from quarterdeck.backups.archive.damage import ArchiveDamaged
from quarterdeck.backups.archive.reader import Archive
from quarterdeck.backups.archives import Archives
from quarterdeck.backups.job import JobFailed
from quarterdeck.backups.passage import Unit, walk
from quarterdeck.backups.restores import Place, Restore, Stage
from quarterdeck.backups.store import BackupStore
from quarterdeck.errors import NotFound
from quarterdeck.keys import name_crew, name_version
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.table import unmarshal_item


class Sources:
    """Use one for an invocation: an archive is opened once."""

    def __init__(self, backups: BackupStore, archives: Archives, restore: Restore) -> None:
        self.backups = backups
        self.archives = archives
        self.restore = restore
        self._opened: dict[str, Archive] = {}

    def read(self, stage: Stage, start: Place) -> Iterator[tuple[Unit, Place]]:
        """The units of a stage, each with the place after it; JobFailed for damage."""
        backup_id = self.restore.backup_id
        if stage.source != "backup":
            backup_id = self.restore.safety_backup_id or ""
        try:
            yield from walk(self._open(backup_id), stage.part, start)
        except ArchiveDamaged as damage:
            raise JobFailed(f"backup {backup_id} is damaged: {damage}") from None

    def read_configuration(self) -> tuple[int, SystemConfiguration]:
        """Of the version that was current when the backup was made."""
        current = self._open(self.restore.backup_id).manifest.source.system_version
        stage = Stage("backup", "crew_configurations")
        for unit, _ in self.read(stage, Place()):
            if name_version(unit[0].sk) == current:
                return current, SystemConfiguration.model_validate_json(read_document(unit))
        raise JobFailed(f"the backup lacks the configuration of version {current}")

    def read_capacities(self) -> dict[str, int]:
        """By crew; as they are now, unless configurations are restored."""
        restored = "crew_configurations" in self.restore.parts
        stage = Stage("backup" if restored else "safety", "crew_configurations")
        units = (unit for unit, _ in self.read(stage, Place()))
        return {
            crew: unmarshal_item(unit[0].item)["capacity"]
            for unit in units
            if (crew := name_crew(unit[0].pk))
        }

    def _open(self, backup_id: str) -> Archive:
        if backup_id not in self._opened:
            try:
                backup = self.backups.get(self.restore.system_id, backup_id)
                self._opened[backup_id] = self.archives.open(backup)
            except NotFound:
                raise JobFailed(f"backup {backup_id} has been removed") from None
            except ArchiveDamaged as damage:
                raise JobFailed(f"backup {backup_id} is damaged: {damage}") from None
        return self._opened[backup_id]


def read_document(unit: Unit) -> str:
    text: str = unmarshal_item(unit[0].item)["document"]["text"]
    return text
