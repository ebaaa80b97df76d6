"""Runs a crew once, to its outcome."""

import contextvars
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

import crewai
from crewai import CrewOutput
from crewai.core.providers.human_input import set_provider
from crewai.knowledge.knowledge import Knowledge

from quarterdeck.execution.crew_memory import CrewMemory, build_memory
from quarterdeck.execution.crews import NO_TOOLS, Input, Tools, build_crew, make_paces
from quarterdeck.execution.dates import keep_date
from quarterdeck.execution.journal import Journal
from quarterdeck.execution.journal_store import MemoryStore
from quarterdeck.execution.knowledge import build_knowledge
from quarterdeck.execution.library import Pieces
from quarterdeck.execution.memory_writes import Storage
from quarterdeck.execution.pace import keep_paces
from quarterdeck.execution.reviewer import Reviewer
from quarterdeck.execution.steps import StepWatch
from quarterdeck.execution.stopping import Stop
from quarterdeck.names import read_clock
from quarterdeck.redaction import SecretsInUse
from quarterdeck.systems.configuration import REHEARSAL, Crew
from quarterdeck.tasks.events import RunEvent
from quarterdeck.tasks.outcome import Outcome, StepResult, TaskError

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
    on_event: Callable[[RunEvent], None],
    journal: Journal | None = None,
    tools: Tools = NO_TOOLS,
    asked_at: datetime | None = None,
    storage: Storage | None = None,
    pieces: Pieces | None = None,
) -> Outcome:
    """The crew's outcome: succeeded or failed, with the steps that ended and all tokens, once.

    `timeout` bounds each request to a model; the deadline of the whole is the caller's. Marked as
    a rehearsal if any model of the crew is the rehearsal model. Holds no value of a secret: errors
    of a provider can name them, and a manager can quote what went wrong with its agents.

    `asked_at` is the date that agents are told; without it, today's. `storage` is where agents
    with memory have it; without it, none has. `pieces` is where those of the crew's knowledge
    are; without it, it knows nothing.

    Calls that the journal holds are not made again; without one, nothing is kept. Stop, if the
    journal's guard or a fault ended the run: with the steps and tokens so far.
    """
    started = time.monotonic()
    secrets = SecretsInUse(read_secret)
    watch = StepWatch(task_id, on_event)
    journal = journal or Journal(MemoryStore(task_id))
    output, error, stop = None, None, None
    with secrets.keep_out_of_logs(), open_memory(crew, storage, secrets, timeout, watch) as memory:
        try:
            built = build_crew(
                crew,
                description,
                inputs,
                secrets.read,
                verbose=verbose,
                timeout=timeout,
                tools=tools,
                memory=memory,
                knowledge=open_knowledge(crew, pieces, secrets, watch),
            )
            with keep_date(asked_at or read_clock()), keep_paces(make_paces(crew, built)):
                output = secrets.scrub(follow_crew(built, watch, journal, secrets.scrub))
        except Exception as raised:
            error = describe_error(raised, secrets)
        except Stop as raised:
            stop = raised
    steps = tuple(finish_step(step, secrets.scrub) for step in watch.results)
    outcome = Outcome(
        status="failed" if error else "succeeded",
        output=output,
        data=steps[-1].data if output is not None and steps else None,
        error=error,
        steps=steps,
        usage=watch.usage,
        duration_ms=round(1000 * (time.monotonic() - started)),
        rehearsal=uses_rehearsal(crew),
    )
    # crewai can have swallowed the Stop: then what came of the run is not the crew's own answer.
    if stop := journal.stopped or stop:
        stop.error = stop.error and shorten_error(stop.error, secrets)
        stop.keep_progress(outcome)
        raise stop
    watch.tell_faults()
    return outcome


@contextmanager
def open_memory(
    crew: Crew,
    storage: Storage | None,
    secrets: SecretsInUse,
    timeout: float,
    watch: StepWatch,
) -> Iterator[CrewMemory | None]:
    """The crew's memory, done with in the end; None if nobody has one, or it cannot be built."""
    memory = None
    if storage is not None and crew.remembering:
        try:
            memory = build_memory(crew, storage, secrets.read, timeout)
        except Exception as error:
            watch.memory_faults.report("open", [describe_error(error, secrets)])
    try:
        yield memory
    finally:
        if memory is not None:
            memory.close()


def open_knowledge(
    crew: Crew, pieces: Pieces | None, secrets: SecretsInUse, watch: StepWatch
) -> Knowledge | None:
    """What the crew was given to know; None if that is nothing, or it cannot be searched."""
    if pieces is None or not crew.knowledge:
        return None
    try:
        return build_knowledge(crew, pieces, secrets.read)
    except Exception as error:
        watch.memory_faults.report("open", [describe_error(error, secrets)])
        return None


def finish_step(step: StepResult, scrub: Callable[[str], str]) -> StepResult:
    """Without secrets, and with its answer as data, if that is what the answer is."""
    output = scrub(step.output)
    data = json.loads(output) if step.data is not None else None
    return step.model_copy(update={"output": output, "data": data})


def uses_rehearsal(crew: Crew) -> bool:
    return any(llm.model == REHEARSAL for llm in crew.llms)


def follow_crew(
    crew: crewai.Crew, watch: StepWatch, journal: Journal, scrub: Callable[[str], str]
) -> str:
    """The crew's output. In a context of its own, which crewai copies into its threads."""
    return contextvars.copy_context().run(kick_off, crew, watch, journal, scrub)


def kick_off(
    crew: crewai.Crew, watch: StepWatch, journal: Journal, scrub: Callable[[str], str]
) -> str:
    journal.teller.know_steps(crew.tasks)
    set_provider(Reviewer())
    with watch.follow(crew.tasks), journal.open(scrub):
        output = crew.kickoff()
    assert isinstance(output, CrewOutput)  # noqa: S101 (the other type is for streaming crews)
    return output.raw


def describe_error(error: BaseException, secrets: SecretsInUse) -> TaskError:
    """The error's class and message; of crewai's wrapper, what it wraps."""
    while isinstance(error, RuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    return shorten_error(TaskError(type=type(error).__name__, message=str(error)), secrets)


def shorten_error(error: TaskError, secrets: SecretsInUse) -> TaskError:
    """Without secrets, and not longer than a person reads."""
    message = secrets.scrub(error.message)
    if len(message) > LONGEST_MESSAGE:
        half = LONGEST_MESSAGE // 2
        message = f"{message[:half]} … {message[-half:]}"
    return TaskError(type=error.type, message=message)
