"""What is kept of a restore, or of the test of one: RESTORE#."""

from typing import Literal, NamedTuple

from pydantic import Field

from quarterdeck.backups.archive.layout import PARTS, Part
from quarterdeck.backups.records import Job
from quarterdeck.keys import Scope
from quarterdeck.systems.records import Record, State

Phase = Literal["closing", "saving", "writing", "comparing", "swapping", "removing"]
Outcome = Literal["restored", "proven", "checked", "failed"]
"""Of a restore, of a test, of a dry run."""


class Place(Record):
    """The chunk of a part, from 0, and the record in it, that are next."""

    chunk: int = 0
    record: int = 0


class Restore(Job):
    """Its id is the job's. Writes `generation` of `target_id`, which nobody sees until it is whole.

    `into`: the name of the new system, if it is to be one. `reopen_as`: the state that the system
    has again in the end. `stage`, `place`: what of the phase is next. `outcome`: set once nothing
    but the removal of what is not needed any more is left to do.
    """

    kind: Literal["restore", "restore_test"] = "restore"
    backup_id: str
    parts: tuple[Part, ...] = PARTS
    target_id: str
    generation: int
    into: str | None = None
    dry_run: bool = False
    reopen_as: State | None = None
    safety_backup_id: str | None = None
    phase: Phase
    stage: int = 0
    place: Place = Place()
    outcome: Outcome | None = None
    old_generation: int | None = None
    """What a restore replaces."""
    crews: tuple[str, ...] = ()
    """All that have data in the generations of this job."""
    items: dict[Part, int] = Field(default_factory=dict)
    """How many were written; in a dry run, how many would be."""
    interrupted: int = 0
    """Tasks that had not ended when they were backed up."""
    left_out: int = 0
    """Records that have expired since they were backed up."""

    @property
    def scope(self) -> Scope:
        """Of what it writes."""
        return Scope(self.target_id, self.generation)

    @property
    def replaces(self) -> bool:
        """Whether it restores a system into itself."""
        return self.kind == "restore" and self.into is None and not self.dry_run


class Stage(NamedTuple):
    """What is read from where. `carried`: what the backup cannot know, out of the safety backup."""

    source: Literal["backup", "safety", "carried"]
    part: Part


def plan_stages(restore: Restore) -> list[Stage]:
    """In their order: parts of the backup; others as they are now; tasks accepted since."""
    stages = [Stage("backup", part) for part in PARTS if part in restore.parts]
    if not restore.replaces:
        return stages
    stages += [Stage("safety", part) for part in PARTS if part not in restore.parts]
    if "task_histories" in restore.parts:
        stages.append(Stage("carried", "task_histories"))
    return stages
