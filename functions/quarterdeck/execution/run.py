"""Runs a crew once, to its outcome."""

import contextvars
import time
from collections.abc import Callable, Mapping

import crewai
from crewai import CrewOutput

from quarterdeck.execution.crews import Input, build_crew
from quarterdeck.execution.redaction import SecretsInUse
from quarterdeck.execution.steps import StepWatch
from quarterdeck.systems.configuration import REHEARSAL, Crew
from quarterdeck.tasks.outcome import Outcome, StepEvent, TaskError

LONGEST_MESSAGE = 2000


def run_crew(
    task_id: str,
    crew: Crew,
    description: str,
    inputs: Mapping[str, Input],
    *,
    timeout: float,
    read_secret: Callable[[str], str],
    verbose: bool,
    on_event: Callable[[StepEvent], None],
) -> Outcome:
    """The crew's outcome: succeeded or failed, with the steps that ended and all tokens, once.

    `timeout` bounds each request to a model; the deadline of the whole is the caller's. Marked as
    a rehearsal if any model of the crew is the rehearsal model. Holds no value of a secret: errors
    of a provider can name them, and a manager can quote what went wrong with its agents.
    """
    started = time.monotonic()
    secrets = SecretsInUse(read_secret)
    watch = StepWatch(task_id, on_event)
    output, error = None, None
    with secrets.keep_out_of_logs():
        try:
            built = build_crew(
                crew, description, inputs, secrets.read, verbose=verbose, timeout=timeout
            )
            output = secrets.scrub(contextvars.copy_context().run(kick_off, built, watch))
        except Exception as raised:
            error = describe_error(raised, secrets)
    return Outcome(
        status="failed" if error else "succeeded",
        output=output,
        error=error,
        steps=tuple(
            step.model_copy(update={"output": secrets.scrub(step.output)}) for step in watch.results
        ),
        usage=watch.usage,
        duration_ms=round(1000 * (time.monotonic() - started)),
        rehearsal=uses_rehearsal(crew),
    )


def uses_rehearsal(crew: Crew) -> bool:
    llms = [agent.llm for agent in crew.agents]
    return any(llm.model == REHEARSAL for llm in (*llms, crew.manager_llm) if llm)


def kick_off(crew: crewai.Crew, watch: StepWatch) -> str:
    with watch.follow():
        output = crew.kickoff()
    assert isinstance(output, CrewOutput)  # noqa: S101 (the other type is for streaming crews)
    return output.raw


def describe_error(error: BaseException, secrets: SecretsInUse) -> TaskError:
    """The error's class and message; of crewai's wrapper, what it wraps."""
    while isinstance(error, RuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    message = secrets.scrub(str(error))
    if len(message) > LONGEST_MESSAGE:
        half = LONGEST_MESSAGE // 2
        message = f"{message[:half]} … {message[-half:]}"
    return TaskError(type=type(error).__name__, message=message)
