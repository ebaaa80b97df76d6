"""The targets of the Makefile: {name: its help and recipe}."""

import re
from pathlib import Path

MAKEFILE = Path(__file__).parents[1] / "Makefile"


def read_targets() -> dict[str, str]:
    found: dict[str, str] = {}
    for rule in re.split(r"\n(?=\S)", MAKEFILE.read_text(encoding="utf-8")):
        if (head := re.match(r"([a-z-]+):.*## ", rule)) is not None:
            found[head[1]] = rule
    return found
