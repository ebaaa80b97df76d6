"""Carries a backup out: its parts chunk by chunk, its manifest, and its first verification."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from quarterdeck.backups.archive.damage import ArchiveDamaged
from quarterdeck.backups.archive.layout import PARTS, Part
from quarterdeck.backups.archive.manifest import ChunkRef, Source
from quarterdeck.backups.archive.objects import ObjectExists
from quarterdeck.backups.archive.writer import ArchiveWriter
from quarterdeck.backups.archives import Archives
from quarterdeck.backups.collection import Collector
from quarterdeck.backups.conditions import note_job
from quarterdeck.backups.job import Hold, JobFailed
from quarterdeck.backups.records import ORDER, Backup, BackupProgress
from quarterdeck.backups.store import clear_running
from quarterdeck.backups.stream import UnitStream
from quarterdeck.backups.verification import RESERVE_SECONDS, check_chunks
from quarterdeck.errors import NotFound
from quarterdeck.keys import CHUNK_PREFIX, chunk_key
from quarterdeck.names import format_time
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import Absent, Put

CHUNK_DAYS = 7
"""How long it is kept what was written: the manifest says it, once there is one."""


class BackupWork:
    def __init__(self, systems: SystemStore, archives: Archives) -> None:
        self.systems = systems
        self.archives = archives

    def carry_on(self, hold: Hold[Backup], left: Callable[[], float]) -> bool:
        """A chunk that was written and not recorded is written again, under another name."""
        self._require_generation(hold.job)
        writer: ArchiveWriter | None = None
        while hold.job.progress.part:
            writer = writer or self.archives.write(hold.job)
            if not self._write_part(hold, writer, hold.job.progress.part, left):
                return False
        if not hold.job.manifest_digest:
            self._require_generation(hold.job)
            self._write_manifest(hold)
        return self._verify(hold, left)

    def give_up(self, hold: Hold[Backup], reasons: Sequence[str]) -> None:
        fault = f"backup {hold.job.backup_id} has failed: {'; '.join(reasons)}"
        note_job(self.systems, hold.job.system_id, "backup", hold.clock(), fault)
        hold.end("failed", {}, clear_running(hold.job), reasons=reasons)

    def _require_generation(self, backup: Backup) -> None:
        """What is read is the system's still: a restore removes what was before."""
        try:
            system = self.systems.get(backup.system_id)
        except NotFound:
            raise JobFailed("the system has been deleted") from None
        if system.generation != backup.generation:
            raise JobFailed("the system was restored meanwhile")

    def _write_part(
        self, hold: Hold[Backup], writer: ArchiveWriter, part: Part, left: Callable[[], float]
    ) -> bool:
        """Whether it is all in the archive; if not, the time is up."""
        progress = hold.job.progress
        collector = Collector(self.systems.table, self.systems.blobs, hold.job)
        stream = UnitStream(collector.collect(part, progress.cursor, progress.versions))
        while left() >= RESERVE_SECONDS:
            chunks = self._write_units(hold.job, writer, part, stream)
            if not chunks:
                advance(hold, hold.job.progress.model_copy(update=after_part(part)))
                return True
            advance(hold, count_chunks(hold.job.progress, part, stream, chunks), chunks)
        return False

    def _write_units(
        self, backup: Backup, writer: ArchiveWriter, part: Part, stream: UnitStream
    ) -> list[ChunkRef]:
        """One chunk; or several, of something that no one holds. None at the part's end."""
        chunks: list[ChunkRef] = []
        first = backup.progress.chunks.get(part, 0) + 1
        while not chunks or stream.is_within:
            chunk = writer.write_chunk(part, first + len(chunks), stream.take())
            if chunk is None:
                break
            chunks.append(chunk)
        return chunks

    def _write_manifest(self, hold: Hold[Backup]) -> None:
        backup = hold.job
        chunks = self._list_chunks(backup)
        source = Source(
            system_name=backup.system_name,
            system_version=backup.version,
            generation=backup.generation,
        )
        try:
            _, digest = self.archives.write(backup).write_manifest(
                chunks, source, backup.started_at
            )
        except ObjectExists:
            # An invocation wrote it that could not record it.
            digest = self.archives.adopt(backup, chunks)
        hold.advance({"manifest_digest": digest, "size": backup.progress.stored_bytes})

    def _list_chunks(self, backup: Backup) -> list[ChunkRef]:
        """As the manifest has them."""
        partition = chunk_key(backup.system_id, backup.backup_id, "", 0).pk
        found = [
            ChunkRef.model_validate({name: item[name] for name in ChunkRef.model_fields})
            for item in self.systems.table.query(partition, CHUNK_PREFIX)
        ]
        return sorted(found, key=lambda chunk: (PARTS.index(chunk.part), chunk.number))

    def _verify(self, hold: Hold[Backup], left: Callable[[], float]) -> bool:
        def record(number: int) -> None:
            done = hold.job.progress.model_copy(update={"verified_chunks": number})
            advance(hold, done)

        try:
            archive = self.archives.open(hold.job)
            if not check_chunks(archive, hold.job.progress.verified_chunks, record, left):
                return False
        except ArchiveDamaged as damage:
            raise JobFailed(f"it could not be read back: {damage}") from None
        now = hold.clock()
        note_job(self.systems, hold.job.system_id, "backup", now)
        hold.end("completed", {"verified_at": format_time(now)}, clear_running(hold.job))
        return True


def advance(hold: Hold[Backup], progress: BackupProgress, chunks: Sequence[ChunkRef] = ()) -> None:
    """What is in the archive for good, with the chunks that it is in."""
    backup = hold.job
    expires_at = int((hold.clock() + timedelta(days=CHUNK_DAYS)).timestamp())
    puts = [
        Put(
            chunk_key(backup.system_id, backup.backup_id, chunk.part, chunk.number),
            chunk.model_dump() | {"expires_at": expires_at},
            [Absent()],
        )
        for chunk in chunks
    ]
    hold.advance({"progress": progress.model_dump()}, *puts)


def count_chunks(
    progress: BackupProgress, part: Part, stream: UnitStream, chunks: Sequence[ChunkRef]
) -> BackupProgress:
    records = progress.records.get(part, 0) + sum(chunk.records for chunk in chunks)
    return progress.model_copy(
        update={
            "cursor": stream.cursor,
            "chunks": {**progress.chunks, part: progress.chunks.get(part, 0) + len(chunks)},
            "records": {**progress.records, part: records},
            "plain_bytes": progress.plain_bytes + sum(chunk.plain_bytes for chunk in chunks),
            "stored_bytes": progress.stored_bytes + sum(chunk.stored_bytes for chunk in chunks),
            "versions": tuple(sorted({*progress.versions, *stream.versions})),
        }
    )


def after_part(part: Part) -> dict[str, Any]:
    following = ORDER[ORDER.index(part) + 1 :]
    return {"part": following[0] if following else None, "cursor": None}
