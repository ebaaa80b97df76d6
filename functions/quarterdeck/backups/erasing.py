"""What was erased since a backup was made is not brought back by it."""

from collections.abc import Callable

from quarterdeck.backups.archive.records import Record
from quarterdeck.keys import name_memory
from quarterdeck.table import Item, marshal_item, unmarshal_item

type Erase = Callable[[str, Item], Item]
"""An entry of a crew's log of memories, without what was erased."""
type FindErased = Callable[[str], Erase]
"""Of a system, as it is known now."""


def erase_content(record: Record, erase: Erase) -> Record:
    crew = name_memory(record.pk)
    if crew is None:
        return record
    return record._replace(item=marshal_item(erase(crew, unmarshal_item(record.item))))
