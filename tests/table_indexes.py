"""The indexes of the state table, as the data stack declares them, without the CDK's import."""

import ast
from pathlib import Path
from typing import NamedTuple

STATE_TABLE = Path(__file__).parents[1] / "infra" / "state_table.py"


class Declaration(NamedTuple):
    partition: str
    order: str
    fields: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, str]:
        return self.partition, self.order


def read_indexes() -> dict[str, Declaration]:
    for node in ast.parse(STATE_TABLE.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "INDEXES":
            return {name: Declaration(*row) for name, row in ast.literal_eval(node.value).items()}
    raise LookupError(f"{STATE_TABLE} declares no INDEXES")


INDEXES = read_indexes()
