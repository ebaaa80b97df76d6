"""A crew's questions, asked where it was started: on the terminal, or of what is piped in."""

from collections.abc import Iterator
from contextlib import contextmanager

from quarterdeck.execution.journal import Answered
from quarterdeck.execution.stopping import Stop
from quarterdeck.tasks.outcome import Outcome, TaskError
from quarterdeck.tasks.questions import Asked

PROMPT = "Enter approves it; anything else is feedback: "


def ask_on_terminal(question: Asked) -> Answered:
    """A line of the input; the run is over where there is none."""
    print(f"\n{question.text}\n\n{question.answer_so_far}\n", flush=True)
    try:
        said = input(PROMPT).strip()
    except EOFError:
        message = f"the step '{question.step}' asks, and nobody answers: run it in a terminal"
        raise Stop("failed", error=TaskError(type="nobody_to_ask", message=message)) from None
    return {"feedback": said} if said else {"approve": True}


@contextmanager
def end_unanswered() -> Iterator[list[Outcome]]:
    """Holds the outcome of a run that stopped within: here, only for want of an answer."""
    outcomes: list[Outcome] = []
    try:
        yield outcomes
    except Stop as stop:
        done = Outcome(status="failed", error=stop.error, steps=stop.steps, usage=stop.usage)
        changes = {"duration_ms": stop.duration_ms, "rehearsal": stop.rehearsal}
        outcomes.append(done.model_copy(update=changes))
