"""Marks of what was erased for good: hashes alone, of every generation, read by every restore."""

import hashlib
import json
from datetime import datetime

from quarterdeck.keys import erasure_key
from quarterdeck.names import format_time
from quarterdeck.table import Put


def hash_erased(kind: str, *names: str) -> str:
    return hashlib.sha256(json.dumps([kind, *names]).encode()).hexdigest()


def hash_task(task_id: str) -> str:
    return hash_erased("task", task_id)


def put_mark(system_id: str, mark: str, now: datetime) -> Put:
    return Put(erasure_key(system_id, mark), {"erased_at": format_time(now)})
