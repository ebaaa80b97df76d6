"""What is in a scope, told from its memories. Pure."""

from collections import Counter
from collections.abc import Sequence

from quarterdeck.memory.paths import find_child
from quarterdeck.memory.records import Memory


def list_children(memories: Sequence[Memory], scope: str) -> list[str]:
    """The scopes right below `scope` that have memories in them."""
    return sorted({child for each in memories if (child := find_child(each.scope, scope))})


def count_categories(memories: Sequence[Memory]) -> dict[str, int]:
    return dict(Counter(category for each in memories for category in each.categories))
