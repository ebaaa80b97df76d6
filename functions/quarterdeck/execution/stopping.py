"""Our own clean way out of a crew that runs."""

from typing import Literal

from quarterdeck.tasks.outcome import Outcome, StepResult, TaskError, Usage
from quarterdeck.tasks.questions import Asked

Reason = Literal[
    "cancelled", "out_of_time", "timed_out", "lease_lost", "retry", "waiting", "failed", "diverged"
]


class Stop(BaseException):
    """The run ends at a call's boundary. No Exception: crewai would try those again.

    `delay` (seconds) and `attempts` (calls that failed in a row) come with `retry`, `error` with
    `failed` and `diverged`, `question` with `waiting`. What the run did so far is added on its way
    out.
    """

    def __init__(
        self,
        reason: Reason,
        *,
        error: TaskError | None = None,
        delay: float = 0.0,
        attempts: int = 0,
        question: Asked | None = None,
    ) -> None:
        super().__init__(reason if error is None else f"{reason}: {error.message}")
        self.reason = reason
        self.error = error
        self.delay = delay
        self.attempts = attempts
        self.question = question
        self.steps: tuple[StepResult, ...] = ()
        self.usage = Usage()
        self.duration_ms = 0
        self.rehearsal = False

    def keep_progress(self, outcome: Outcome) -> None:
        """Takes over what the run did until it was stopped."""
        self.steps, self.usage = outcome.steps, outcome.usage
        self.duration_ms, self.rehearsal = outcome.duration_ms, outcome.rehearsal
