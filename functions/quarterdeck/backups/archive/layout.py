"""What an archive's objects are called, and the bounds of the format."""

from typing import Literal, NamedTuple

FORMAT = "quarterdeck-backup"
VERSION = 1
MIB = 2**20
CHUNK_BYTES = 8 * MIB
"""A chunk is full when its lines are as long as this; the last line may go beyond."""
MANIFEST_LIMIT = 64 * MIB
HEAD_LIMIT = 4096
ROOT = "backups/"
HEAD = "head"
MANIFEST = "manifest"

type Part = Literal["crew_configurations", "agent_memories", "task_histories", "system_metrics"]
PARTS: tuple[Part, ...] = (
    "crew_configurations",
    "agent_memories",
    "task_histories",
    "system_metrics",
)


class ArchiveName(NamedTuple):
    """Which backup of which system an archive is."""

    system_id: str
    backup_id: str

    @property
    def prefix(self) -> str:
        return f"{ROOT}{self.system_id}/{self.backup_id}/"

    def locate(self, name: str) -> str:
        """The key of an object of the archive."""
        return f"{self.prefix}{name}"


def name_chunk(part: Part, number: int, epoch: int) -> str:
    """Numbers begin at 1. The epoch keeps a worker that lost its claim off another's chunks."""
    return f"{part}/{number:06}-{epoch}.chunk"


def parse_manifest_key(key: str) -> ArchiveName | None:
    """The archive that a key completes; None if it is the key of something else."""
    root, *names = key.split("/")
    if f"{root}/" != ROOT or len(names) != 3 or names[2] != MANIFEST:
        return None
    return ArchiveName(names[0], names[1])
