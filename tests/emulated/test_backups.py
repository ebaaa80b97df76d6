"""A backup on the deployed template: made by the function's own role, read back, and removed."""

import json
import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.api import Api
from infra.local.emulator import Emulator
from infra.local.ministack import ROOT
from infra.local.service import Service
from quarterdeck.backups.archive.head import ArchiveKeys
from quarterdeck.backups.archives import Archives
from quarterdeck.backups.store import BackupStore
from quarterdeck.table import Equals, Table, Update, unmarshal_item
from quarterdeck.tasks.queue import BackupMessage, PruneMessage, Queue
from tests import systems
from tests.emulated.main_job import deploy, poll, submit, wait
from tests.prove import PROVE


class Inside:
    """What the function sees of the account, with root's rights."""

    def __init__(self, aws: Callable[[str], Any], outputs: Any) -> None:
        self.table = Table(aws("dynamodb"), outputs["TableName"])
        self.backups = BackupStore(self.table)
        self.queue = Queue[BackupMessage](aws("sqs"), outputs["BackupsQueueUrl"])
        self.s3, self.bucket = aws("s3"), outputs["ArchivesBucketName"]
        keys = ArchiveKeys(aws("kms"), outputs["ArchivesKeyArn"])
        self.archives = Archives(self.s3, self.bucket, keys)

    def list_objects(self, prefix: str) -> list[str]:
        answer = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [entry["Key"] for entry in answer.get("Contents", [])]


@pytest.fixture
def inside(aws: Callable[[str], Any], service: Service) -> Inside:
    return Inside(aws, service.outputs)


def back_up(api: Api, system_id: str) -> Any:
    begun = api.post(f"/crews/{system_id}/backup")
    assert begun.status == 202, begun
    path = f"/crews/{system_id}/backups/{begun.json['backup']['backup_id']}"
    poll(lambda: api.get(path).json["backup"]["status"], {"completed", "failed"})
    return api.get(path).json["backup"]


def test_a_backup_is_made_verified_and_removed_when_its_time_is_over(
    api: Api, inside: Inside
) -> None:
    system_id = deploy(api, systems.system("kept"))
    task_id = submit(api, system_id, description="Ships follow a light. " * 4000)
    assert wait(api, system_id, task_id)["status"] == "succeeded"
    old, new = (back_up(api, system_id) for _ in range(2))
    assert old["status"] == new["status"] == "completed", old
    assert old["timestamp"] < old["verified_at"] <= old["ended_at"]

    backup = inside.backups.get(system_id, old["backup_id"])
    records = list(inside.archives.open(backup).read_part("task_histories"))
    assert old["parts"]["task_histories"] == len(records)
    (spec,) = [unmarshal_item(record.item) for record in records if record.sk == "SPEC"]
    assert json.loads(spec["document"]["text"])["description"].startswith("Ships follow")

    path = f"/crews/{system_id}/backups/{old['backup_id']}"
    checked = api.post(f"{path}/verify").headers["location"]
    poll(lambda: api.get(checked).json["verification"]["status"], {"completed", "failed"})
    assert api.get(checked).json["verification"]["status"] == "completed"
    assert api.get(path).json["backup"]["verified_at"] > old["verified_at"]

    for each in (old, new):
        key = inside.backups.get(system_id, each["backup_id"]).key
        over = {"expires": "2026-01-01T00:00:00.000Z"}
        done = [Equals("status", "completed")]
        inside.table.write(Update(key, over, {}, conditions=done))
    inside.queue.send(PruneMessage(kind="prune", system_id=system_id))
    poll(lambda: str(api.get(path).status), {"404"})
    assert not inside.list_objects(backup.archive.prefix)
    (left,) = api.get(f"/crews/{system_id}/backups").json["backups"]
    assert left["backup_id"] == new["backup_id"]
    assert inside.list_objects(f"backups/{system_id}/")


def test_a_backup_is_proven_and_restored(api: Api) -> None:
    """By the function's own role: a test, a new system; in `make prove` the system itself."""
    system_id = deploy(api, systems.system("restored"))
    task_id = submit(api, system_id, description="Ships follow a light. " * 4000)
    done = wait(api, system_id, task_id)
    path = f"/crews/{system_id}/backups/{back_up(api, system_id)['backup_id']}"

    assert follow(api, api.post(f"{path}/test"))["status"] == "proven"
    assert api.get(path).json["backup"]["restore_proven_at"]
    copied = follow(api, api.post(f"{path}/restore", {"into": "copy"}))
    assert copied["status"] == "restored", copied
    found = api.get(f"/crews/{copied['restored_system_id']}/tasks/{task_id}").json
    assert found == done | {"system_id": copied["restored_system_id"]}

    if not PROVE:
        return  # It is closed for 45 seconds.
    begun = api.post(f"{path}/restore")
    refused = api.post(f"/crews/{system_id}/tasks", {"description": "x", "crew_name": "research"})
    assert (refused.status, refused.headers["retry-after"]) == (503, "60")
    assert follow(api, begun)["status"] == "restored"
    assert api.get(f"/crews/{system_id}/tasks/{task_id}").json == done
    assert wait(api, system_id, submit(api, system_id, description="x"))["status"] == "succeeded"


def test_a_system_that_the_table_has_lost_comes_back_from_its_archive(
    api: Api, inside: Inside, emulator: Emulator
) -> None:
    """By the command that the runbook names, with an operator's rights."""
    system_id = deploy(api, systems.system("lost"))
    task_id = submit(api, system_id, description="Ships follow a light. " * 4000)
    done = wait(api, system_id, task_id)
    backup = back_up(api, system_id)
    lose_system(inside.table, system_id)
    assert api.get(f"/crews/{system_id}").status == 404

    ran = subprocess.run(
        ["make", "recover", "ENV=development"],
        env=os.environ | emulator.credentials,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{system_id}: 'lost' is as of {backup['timestamp']}" in ran.stdout
    assert api.get(f"/crews/{system_id}/tasks/{task_id}").json == done
    (kept,) = api.get(f"/crews/{system_id}/backups").json["backups"]
    assert (kept["backup_id"], bool(kept["restore_proven_at"])) == (backup["backup_id"], True)
    assert wait(api, system_id, submit(api, system_id, description="x"))["status"] == "succeeded"


def lose_system(table: Table, system_id: str) -> None:
    pages = table.client.get_paginator("scan").paginate(TableName=table.name)
    for item in (each for page in pages for each in page["Items"]):
        if system_id in item["pk"]["S"] or item.get("system_id") == {"S": system_id}:
            key = {name: item[name] for name in ("pk", "sk")}
            table.client.delete_item(TableName=table.name, Key=key)


def follow(api: Api, begun: Any) -> Any:
    """The restore, once nothing of it is left to do."""
    assert begun.status == 202, begun
    path = begun.headers["location"]
    poll(lambda: str(api.get(path).json["restore"].get("phase")), {"None"})
    return api.get(path).json["restore"]
