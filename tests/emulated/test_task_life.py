"""The same life on the emulator: DynamoDB's conditions and transactions as a server has them."""

import itertools
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.prove import prove
from tests.table_conformance import create_table
from tests.table_indexes import INDEXES
from tests.task_life import TaskLife
from tests.task_play import Play

pytestmark = prove
NUMBERS = itertools.count()


def test_a_tasks_life_on_the_emulator(aws: Callable[[str], Any]) -> None:
    client = aws("dynamodb")

    class EmulatedTaskLife(TaskLife):
        def start(self) -> Play:
            self.name = f"life-{next(NUMBERS)}"
            create_table(client, self.name, INDEXES)
            return Play(client, self.name)

        def teardown(self) -> None:
            try:
                super().teardown()
            finally:
                client.delete_table(TableName=self.name)

    run_state_machine_as_test(
        EmulatedTaskLife,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
