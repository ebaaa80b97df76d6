"""No task lost, one end each, slots exact: whatever fails, whoever is slow."""

from hypothesis import settings

from tests.prove import PROVE
from tests.task_life import TaskLife

TestTaskLife = TaskLife.TestCase
TestTaskLife.settings = settings(
    max_examples=1000 if PROVE else 150, stateful_step_count=60 if PROVE else 40, deadline=None
)
