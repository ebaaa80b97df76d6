"""What is made from the code in docs/: it stands between `<!-- mark -->` and `<!-- end -->`."""

import re
from collections.abc import Callable, Iterable

MARKED = re.compile(r"(<!-- (?P<mark>[\w: ]+) -->\n).*?(<!-- end -->)", re.S)


def fill_marks(document: str, list_lines: Callable[[str], Iterable[str]]) -> str:
    """The document with the lines that `list_lines(mark)` gives between each two marks."""

    def fill(found: re.Match[str]) -> str:
        return "\n".join((found[1] + "\n".join(list_lines(found["mark"])), found[3]))

    return MARKED.sub(fill, document)
