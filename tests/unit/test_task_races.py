"""No meeting of two calls and no fault of one breaks a rule, from any state of a task."""

import pytest

from tests.prove import PROVE
from tests.task_races import STARTS, Stage, list_trials

SAMPLE = 24 if PROVE else 480
"""Of so many trials one is made; each state makes others."""


@pytest.mark.parametrize("start", STARTS)
def test_no_meeting_and_no_fault_breaks_a_rule(start: str) -> None:
    trials = list(list_trials())
    with Stage(start) as stage:
        for trial in trials[list(STARTS).index(start) % SAMPLE :: SAMPLE]:
            try:
                stage.run(trial)
            except AssertionError as error:
                error.add_note(str(trial))
                raise
