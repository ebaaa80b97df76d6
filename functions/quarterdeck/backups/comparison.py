"""Whether what is there is what should be. Pure; values are not told, for they are the team's."""

from collections.abc import Mapping
from datetime import datetime

from quarterdeck.backups.generation import is_expired
from quarterdeck.keys import Key
from quarterdeck.table import Item


def find_difference(
    expected: Mapping[Key, Item], found: Mapping[Key, Item], now: datetime
) -> str | None:
    """The first, in words. What has expired meanwhile may be gone."""
    for key in sorted(found.keys() - expected.keys()):
        return f"{describe(key)} is in no record of the backup"
    for key, item in expected.items():
        there = found.get(key)
        if there is None:
            if not is_expired(item, now):
                return f"{describe(key)} is missing"
        elif changed := sorted(
            n for n in item.keys() | there.keys() if item.get(n) != there.get(n)
        ):
            return f"{describe(key)} is not as it was backed up: {', '.join(changed)}"
    return None


def describe(key: Key) -> str:
    return f"{key.pk} {key.sk}"
