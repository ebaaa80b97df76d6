"""`{description}` and `{input}` in a crew's texts, filled in once: braces in a request are text."""

import re
from collections.abc import Iterable, Mapping

INPUT_NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,63}"
PLACEHOLDER = re.compile(rf"\{{({INPUT_NAME})\}}")


def fill_placeholders(text: str, values: Mapping[str, str]) -> str:
    """`text` with each placeholder replaced; KeyError for one that `values` lacks."""
    return PLACEHOLDER.sub(lambda match: values[match[1]], text)


def list_placeholders(texts: Iterable[str]) -> list[str]:
    """The names in the texts, sorted, without `description`."""
    return sorted({name for text in texts for name in PLACEHOLDER.findall(text)} - {"description"})
