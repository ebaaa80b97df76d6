"""The local Runtime API: a handler answers, raises, ends or hangs as it would on Lambda."""

from pathlib import Path

import pytest

from tests.runtime.conftest import StartFunction
from tests.runtime.runtime_api import FunctionError
from tests.runtime.sandbox import Sandbox, prepare_opt

HANDLERS = """
import importlib.util, os, time

def describe(event, context):
    return {
        "event": event,
        "function": context.function_name,
        "arn": context.invoked_function_arn,
        "left": context.get_remaining_time_in_millis(),
        "pid": os.getpid(),
        "setting": os.environ.get("SETTING"),
        "found": [name for name in ("boto3", "crewai", "pytest") if importlib.util.find_spec(name)],
    }

def fail(event, context):
    raise LookupError("no such thing")

def leave(event, context):
    os._exit(3)

def hang(event, context):
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """The layers, with a bundle of these handlers alone."""
    task = tmp_path_factory.mktemp("task")
    (task / "handlers.py").write_text(HANDLERS)
    return Sandbox(task=task, opt=prepare_opt())


def test_handler_answers_events_in_one_process(runtime: StartFunction) -> None:
    function = runtime("handlers.describe", {"SETTING": "given"})

    first, second = (function.invoke({"number": number}, timeout=20) for number in (1, 2))

    assert (first["event"], second["event"]) == ({"number": 1}, {"number": 2})
    assert first["pid"] == second["pid"]
    assert (first["function"], first["setting"]) == ("handlers", "given")
    assert first["arn"].endswith(":function:handlers")
    assert 0 < second["left"] <= 20_000
    assert first["found"] == ["boto3", "crewai"], "the layers, and nothing of the checkout's venv"


def test_error_of_a_handler_is_raised_and_the_process_goes_on(runtime: StartFunction) -> None:
    function = runtime("handlers.fail")

    for _ in range(2):
        with pytest.raises(FunctionError, match="LookupError: no such thing"):
            function.invoke({})


def test_handler_that_does_not_load_fails_its_event(runtime: StartFunction) -> None:
    with pytest.raises(FunctionError, match=r"Runtime\.HandlerNotFound"):
        runtime("handlers.absent").invoke({})


def test_process_that_ends_fails_its_event(runtime: StartFunction) -> None:
    with pytest.raises(FunctionError, match=r"Runtime\.ExitError"):
        runtime("handlers.leave").invoke({})


def test_handler_that_hangs_is_ended(runtime: StartFunction, tmp_path: Path) -> None:
    with pytest.raises(FunctionError, match=r"Sandbox\.Timedout"):
        runtime("handlers.hang").invoke({}, timeout=1)
    assert (tmp_path / "handlers.log").exists()
