"""What was erased since a backup was made is not brought back by it."""

from collections.abc import Callable, Sequence

from quarterdeck.backups.archive.records import Record
from quarterdeck.keys import name_memory, name_task
from quarterdeck.memory.erasure import Erasures
from quarterdeck.table import marshal_item, unmarshal_item

type FindErased = Callable[[str], Erasures]
"""Of a system, as it is known now."""


def erase_unit(unit: Sequence[Record], erased: Erasures) -> list[Record]:
    """Nothing of a task that was deleted."""
    task_id = name_task(unit[0].pk)
    if task_id is not None and erased.has_task(task_id):
        return []
    return [erase_content(record, erased) for record in unit]


def erase_content(record: Record, erased: Erasures) -> Record:
    crew = name_memory(record.pk)
    if crew is None:
        return record
    return record._replace(item=marshal_item(erased.strip(crew, unmarshal_item(record.item))))
