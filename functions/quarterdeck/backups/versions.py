"""The versions that tasks of a backup refer to: kept by the system, or brought back."""

import json
from typing import Any

from pydantic import ValidationError

from quarterdeck.backups.job import JobFailed
from quarterdeck.backups.passage import Unit
from quarterdeck.backups.restores import Restore
from quarterdeck.backups.sources import read_document
from quarterdeck.backups.swap import put_restored_version
from quarterdeck.blobs import BlobStore
from quarterdeck.keys import name_version, version_key
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.table import Item, Put, Table, unmarshal_item


def rename_configuration(text: str, name: str | None) -> str:
    """The same, of a system with this name."""
    if name is None:
        return text
    configuration: dict[str, Any] = json.loads(text)
    return json.dumps(configuration | {"name": name})


def check_version(unit: Unit) -> None:
    """JobFailed unless this release can read it."""
    number = name_version(unit[0].sk)
    try:
        SystemConfiguration.model_validate_json(read_document(unit))
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise JobFailed(f"version {number} cannot be read: {place}: {fault['msg']}") from None


def bring_back(table: Table, blobs: BlobStore, restore: Restore, unit: Unit) -> list[Put]:
    """What the target lacks of a version; versions never change."""
    number = name_version(unit[0].sk)
    if number is None or find_version(table, restore, number):
        return []
    text = rename_configuration(read_document(unit), restore.into)
    document = blobs.store_document(name_blob(restore, number), text)
    created_at: str = unmarshal_item(unit[0].item).get("created_at") or restore.started_at
    return put_restored_version(restore.target_id, number, document, created_at, new=False)


def name_blob(restore: Restore, number: int) -> str:
    return f"blobs/versions/{restore.target_id}/{number}-{restore.job_id}.json"


def find_version(table: Table, restore: Restore, number: int) -> Item | None:
    return table.get(version_key(restore.target_id, number))


def is_same_version(table: Table, blobs: BlobStore, restore: Restore, unit: Unit) -> bool:
    """Whether the target has the version as it was backed up."""
    number = name_version(unit[0].sk)
    if number is None:
        return True
    item = find_version(table, restore, number)
    if item is None:
        return restore.kind == "restore_test"
    text = rename_configuration(read_document(unit), restore.into)
    return bool(json.loads(blobs.load_document(item["document"])) == json.loads(text))
