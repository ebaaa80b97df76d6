"""What a version has to show before it becomes current: models that answer, tasks that succeed."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic

from quarterdeck.errors import FieldError
from quarterdeck.execution.crews import Tools
from quarterdeck.execution.embedders import build_vector_model
from quarterdeck.execution.journal import Answered, Journal
from quarterdeck.execution.journal_store import MemoryStore
from quarterdeck.execution.llms import build_llm
from quarterdeck.execution.run import describe_error, run_crew
from quarterdeck.execution.stopping import Stop
from quarterdeck.redaction import SecretsInUse
from quarterdeck.systems.configuration import (
    REHEARSAL,
    Agent,
    Crew,
    Embedder,
    Llm,
    SmokeTask,
    SystemConfiguration,
    walk_embedders,
    walk_llms,
)
from quarterdeck.tasks.outcome import TaskError
from quarterdeck.tasks.questions import Asked

MODEL_SECONDS = 10.0
MODELS_AT_ONCE = 32
PING = "ping"

OPENAI_TOKENS = 16
"""Of an answer: its newer models take no less."""


def find_silent_models(
    configuration: SystemConfiguration, read_secret: Callable[[str], str], left: float
) -> Iterator[FieldError]:
    """Asks each distinct model for one token, side by side; `left` seconds for all of them.

    Of embedders those that are configured: one that goes with a model by itself is not insisted on.
    """
    paths: dict[Llm | Embedder, str] = {}
    for path, llm in walk_llms(configuration):
        if llm.model != REHEARSAL:
            paths.setdefault(ping_form(llm), path)
    for path, embedder in walk_embedders(configuration):
        if embedder.model != REHEARSAL:
            paths.setdefault(embedder, path)
    pool = ThreadPoolExecutor(MODELS_AT_ONCE, "models")
    end = monotonic() + left
    answers = {path: pool.submit(ask_model, model, read_secret) for model, path in paths.items()}
    for path, answer in answers.items():
        if (rule := read_answer(answer, end - monotonic())) is not None:
            yield FieldError(path, rule)
    pool.shutdown(wait=False, cancel_futures=True)


def ping_form(llm: Llm) -> Llm:
    """The same for models that differ in nothing but how they are asked."""
    named = llm.model_dump(include={"model", "secret", "base_url"})
    if llm.provider == "openai" and llm.base_url is None:
        # Its models that reason refuse `max_tokens`; other servers know nothing else.
        return Llm(**named, max_completion_tokens=OPENAI_TOKENS)
    return Llm(**named, max_tokens=OPENAI_TOKENS if llm.provider == "openai" else 1)


def ask_model(model: Llm | Embedder, read_secret: Callable[[str], str]) -> str | None:
    """None if it answers, or what came instead."""
    secrets = SecretsInUse(read_secret)
    try:
        with secrets.keep_out_of_logs():
            if isinstance(model, Embedder):
                build_vector_model(model, secrets.read).embed([PING])
            else:
                build_llm(model, secrets.read, MODEL_SECONDS).call(PING)
    except Exception as raised:
        error = describe_error(raised, secrets)
        return f"the model '{model.model}' does not answer: {error.type}: {error.message}"
    return None


def read_answer(answer: "Future[str | None]", left: float) -> str | None:
    try:
        return answer.result(max(0.0, left))
    except TimeoutError:
        return "the model did not answer in the time that the checks had"


def find_smoke_fault(
    smoke: SmokeTask,
    configuration: SystemConfiguration,
    read_secret: Callable[[str], str],
    tools: Callable[[Crew], Tools],
    left: float,
) -> FieldError | None:
    """Runs the smoke task as a worker would, but for its journal, which nobody keeps."""
    crew = configuration.find_crew(smoke.crew_name)
    try:
        outcome = run_crew(
            "smoke-task",
            rehearse(crew) if smoke.rehearsal else crew,
            smoke.description,
            smoke.inputs,
            timeout=smoke.timeout,
            read_secret=read_secret,
            verbose=False,
            on_event=lambda _: None,
            journal=limit_journal(min(smoke.timeout, left), MemoryStore("smoke-task")),
            tools=tools(crew),
        )
    except Stop as stop:
        return FieldError("health_checks.smoke_task", describe_stop(stop, smoke))
    if outcome.error is not None:
        return FieldError(
            "health_checks.smoke_task", f"failed: {outcome.error.type}: {outcome.error.message}"
        )
    missing = [text for text in smoke.expect if text.lower() not in (outcome.output or "").lower()]
    if missing:
        rule = f"the answer does not contain '{missing[0]}': {(outcome.output or '')[:200]}"
        return FieldError("health_checks.smoke_task.expect", rule)
    return None


def limit_journal(seconds: float, store: MemoryStore) -> Journal:
    """One that begins no call after so many seconds."""
    end = monotonic() + seconds

    def guard() -> None:
        if monotonic() > end:
            raise Stop("timed_out")

    return Journal(store, guard, time_left=lambda: end - monotonic(), ask=approve_review)


def approve_review(question: Asked) -> Answered:
    """Nobody waits for a run that is only looked at: its answers are taken as they are."""
    if question.kind != "review":
        raise Stop("failed", error=TaskError(type="in_doubt", message=question.text))
    return {"approve": True}


def describe_stop(stop: Stop, smoke: SmokeTask) -> str:
    match stop.reason:
        case "timed_out":
            return f"did not end within its {smoke.timeout} s, or the time that the checks had"
        case "retry":
            return "a model's provider is out of reach, or refuses calls for now"
    why = stop.error
    return f"failed: {why.type}: {why.message}" if why else f"failed: {stop.reason}"


def rehearse(crew: Crew) -> Crew:
    """The crew with the stand-in for each of its models."""
    stand_in = Llm(model=REHEARSAL)
    agents = tuple(agent.model_copy(update={"llm": stand_in}) for agent in crew.agents)
    manager = crew.manager_agent
    if isinstance(manager, Agent):
        manager = manager.model_copy(update={"llm": stand_in})
    changed = {
        "agents": agents,
        "manager_agent": manager,
        "manager_llm": stand_in if crew.manager_llm else None,
        "memory": crew.memory.model_copy(update={"llm": None, "embedder": None}),
    }
    return crew.model_copy(update=changed)
