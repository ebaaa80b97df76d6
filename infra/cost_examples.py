"""`make cost-table`: the examples in docs/operations.md, reckoned anew."""

import sys
from collections.abc import Iterator
from pathlib import Path

from infra.cost import IDLE, Usage, estimate_cost
from infra.environment import load_target
from infra.marks import fill_marks

DOCUMENT = Path(__file__).parents[1] / "docs" / "operations.md"
ENVIRONMENTS = ("development", "production")
MONTH = Usage(tasks=100_000)
LEAST = 0.5
"""USD: less goes into the last line but one."""


def main() -> int:
    DOCUMENT.write_text(fill_examples(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def fill_examples(document: str) -> str:
    """The document with the table between its marks made anew."""
    return fill_marks(document, lambda _: list_rows())


def list_rows() -> Iterator[str]:
    columns = [
        {line.what: line.usd for line in estimate_cost(load_target(name).environment, usage)}
        for name in ENVIRONMENTS
        for usage in (IDLE, MONTH)
    ]
    heads = [f"{name}, {kind}" for name in ENVIRONMENTS for kind in ("idle", "100,000 tasks")]
    yield f"| USD a month | {' | '.join(heads)} |"
    yield "|---" * (len(columns) + 1) + "|"
    shown = [what for what in columns[0] if max(column[what] for column in columns) >= LEAST]
    for what in shown:
        yield f"| {what} | {' | '.join(f'{column[what]:.2f}' for column in columns)} |"
    rest = [sum(usd for what, usd in column.items() if what not in shown) for column in columns]
    yield f"| the rest | {' | '.join(f'{usd:.2f}' for usd in rest)} |"
    yield f"| **all** | {' | '.join(f'**{sum(column.values()):.2f}**' for column in columns)} |"


if __name__ == "__main__":
    sys.exit(main())
