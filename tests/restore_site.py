"""A system, its backups, and restores of it, with the queue's messages delivered in their time."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from quarterdeck.backups.archive.head import ArchiveKeys
from quarterdeck.backups.archive.layout import PARTS, Part
from quarterdeck.backups.archive.objects import ArchiveObjects
from quarterdeck.backups.job import claim_job, run_job
from quarterdeck.backups.records import Backup
from quarterdeck.backups.requests import begin_restore, begin_restore_test
from quarterdeck.backups.restore_test import RestoreTestWork
from quarterdeck.backups.restores import Restore
from quarterdeck.backups.restoring import RestoreWork
from quarterdeck.keys import backup_key, restore_key
from quarterdeck.memory.erasure import Erasures, list_erasures
from quarterdeck.systems.lifecycle import API_SECONDS
from quarterdeck.systems.records import System
from quarterdeck.table import Item
from quarterdeck.tasks.queue import BackupMessage, JobMessage, Queue
from tests.archive_site import BUCKET, ArchiveSite
from tests.backup_site import INVOCATION, BackupSite
from tests.fake_s3 import FakeKms, FakeS3

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client


class Wire(Queue[BackupMessage]):
    """Messages with the time that they are due; the hooks may raise."""

    def __init__(self, site: "RestoreSite") -> None:
        self.site = site
        self.waiting: list[tuple[Any, BackupMessage]] = []
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None

    def send(self, message: BackupMessage, delay_s: int = 0) -> None:
        self.before()
        self.waiting.append((self.site.now + timedelta(seconds=delay_s), message))
        self.after()


class RestoreSite(BackupSite):
    def __init__(self) -> None:
        self.s3 = FakeS3()
        objects = ArchiveObjects(cast("S3Client", self.s3), BUCKET)
        keys = ArchiveKeys(cast("KMSClient", FakeKms()), FakeKms.key_arn)
        super().__init__(ArchiveSite(objects, keys))
        self.wire = Wire(self)
        self.taken: JobMessage | None = None
        """The message that was delivered last."""
        self.left: Callable[[], float] = lambda: INVOCATION

    def find_erased(self, system_id: str) -> Erasures:
        return list_erasures(self.table, system_id)

    def make_work(self) -> RestoreWork:
        return RestoreWork(
            self.systems, self.backups, self.archives, self.wire, self.find_erased, "daily"
        )

    def deliver(self, message: JobMessage) -> None:
        """One invocation."""
        match message.kind:
            case "backup":
                key = backup_key(message.system_id, message.job_id)
                if taken := claim_job(self.table, Backup, key, self.clock, INVOCATION):
                    run_job(taken, self.work, self.wire, self.left)
            case "restore":
                key = restore_key(message.system_id, message.job_id)
                if hold := claim_job(self.table, Restore, key, self.clock, INVOCATION):
                    run_job(hold, self.make_work(), self.wire, self.left)
            case "restore_test":
                key = restore_key(message.system_id, message.job_id)
                work = RestoreTestWork(
                    self.systems, self.backups, self.archives, self.wire, self.find_erased
                )
                if hold := claim_job(self.table, Restore, key, self.clock, INVOCATION):
                    run_job(hold, work, self.wire, self.left)

    def deliver_next(self) -> bool:
        """The message that is due first, at its time; whether there was one."""
        if not self.wire.waiting:
            return False
        first = min(self.wire.waiting, key=lambda entry: entry[0])
        self.wire.waiting.remove(first)
        due, message = first
        self.now = max(self.now, due)
        assert isinstance(message, JobMessage)
        self.taken = message
        self.deliver(message)
        return True

    def deliver_all(self) -> None:
        for _ in range(500):
            if not self.deliver_next():
                return
        raise AssertionError("the messages do not end")

    def begin_restore(
        self,
        system: System,
        backup: Backup,
        *,
        parts: Sequence[Part] = PARTS,
        into: str | None = None,
        dry_run: bool = False,
    ) -> Restore:
        system = self.systems.get(system.system_id)
        restore = begin_restore(
            self.systems,
            self.backups,
            system,
            backup,
            parts=parts,
            into=into,
            dry_run=dry_run,
            now=self.now,
        )
        self.wire.send(restore.message, API_SECONDS if restore.replaces else 0)
        return restore

    def restore(self, system: System, backup: Backup, **how: Any) -> Restore:
        """As it is when all messages were delivered."""
        restore = self.begin_restore(system, backup, **how)
        self.deliver_all()
        return self.read_restore(restore)

    def prove(self, system: System, backup: Backup) -> Restore:
        test = begin_restore_test(
            self.systems, self.systems.get(system.system_id), backup, self.now
        )
        self.wire.send(test.message)
        self.deliver_all()
        return self.read_restore(test)

    def read_restore(self, restore: Restore) -> Restore:
        return Restore.model_validate(self.table.get(restore.key))

    def dump_generation(self, system_id: str, generation: int) -> dict[tuple[str, str], Item]:
        """Items by key, which is without system and generation; contents of blobs included."""
        prefix = f"SYS#{system_id}@{generation}#"
        found = {}
        for item in self.table.dump():
            if not item["pk"].startswith(prefix):
                continue
            if "document" in item:
                item["document"] = self.blobs.load_document(item["document"])
            key = (item.pop("pk").removeprefix(prefix), item.pop("sk"))
            found[key] = item
        return found
