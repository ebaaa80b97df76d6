"""Tools in their process: what they are told, what they may do, and what is told of them."""

import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.observability import logger
from quarterdeck.tooling.messages import ToolAnswer
from quarterdeck.tooling.process import ToolProcess, choose_variables
from quarterdeck.tooling.runner import LONGEST_TEXT, ToolRunner
from quarterdeck.vault import SecretMissing
from tests.unit.tooling.manifests import describe

TEAM = Path(__file__).parent / "team"
SECRET = "s3cret with/odd+letters"


MANIFEST = {"probe": describe("probe"), "nowhere": describe("nowhere")}


@pytest.fixture(scope="module")
def process() -> Iterator[ToolProcess]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TEAM)
        patch.setenv("AWS_SECRET_ACCESS_KEY", "of the role")
        running = ToolProcess()
        yield running
        running.close()


@pytest.fixture
def shown() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def runner(process: ToolProcess, shown: list[tuple[str, str]]) -> ToolRunner:
    def show(tool: str, output: str) -> None:
        shown.append((tool, output))

    return ToolRunner(MANIFEST, process, {"search": SECRET}.__getitem__, show)


@pytest.fixture
def probe(runner: ToolRunner) -> Callable[..., ToolAnswer]:
    def run(do: str, **rest: Any) -> ToolAnswer:
        return runner.handle(
            {"tool": "probe", "arguments": {"do": do, **rest}, "idempotency_key": "key-1"}
        )

    return run


def test_a_tool_knows_the_key_of_its_call(probe: Callable[..., ToolAnswer]) -> None:
    assert probe("key") == ToolAnswer(text="key-1")


def test_a_tool_knows_which_request_its_call_goes_back_to_and_so_does_the_log(
    runner: ToolRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", lines)
    trace = {"task_id": "t-1", "correlation_id": "order-1"}
    call = {"tool": "probe", "arguments": {"do": "trace"}, "idempotency_key": "k"}
    assert runner.handle(call | trace) == ToolAnswer(text="order-1")
    assert runner.handle(call) == ToolAnswer(text="None")
    first, second = map(json.loads, lines.getvalue().splitlines())
    assert (first["message"], first["tool"]) == ("Ran", "probe")
    assert trace.items() <= first.items()
    assert not trace.keys() & second.keys()


def test_a_tool_sees_no_credentials(probe: Callable[..., ToolAnswer]) -> None:
    seen = probe("environment").text
    assert "'PATH'" in seen
    assert "AWS" not in seen


def test_only_what_is_named_is_passed_on() -> None:
    given = {"AWS_ACCESS_KEY_ID": "x", "TABLE_NAME": "x", "OPENAI_API_KEY": "x", "LANG": "C"}
    assert set(choose_variables(given)) == {"LANG", "PYTHONPATH", "PYTHONUNBUFFERED"}


def test_a_secret_is_in_no_answer(probe: Callable[..., ToolAnswer]) -> None:
    assert probe("secret").text == "{'the secret': '[secret search]'}"
    error = probe("raise").error
    assert str(error) == "ConnectionError: GET https://x/?key=[secret search] was refused"


def test_a_secret_is_in_nothing_that_is_printed(
    probe: Callable[..., ToolAnswer], shown: list[tuple[str, str]]
) -> None:
    assert probe("print").text == "0"
    assert shown == [("probe", "[secret search]\n[secret search]")]
    assert probe("key").text == "key-1"
    assert len(shown) == 1


def test_a_tool_reads_the_secrets_of_its_policy_alone(probe: Callable[..., ToolAnswer]) -> None:
    assert str(probe("undeclared").error) == (
        "LookupError: secret 'other' is not among POLICY.secrets of this tool"
    )


def test_a_secret_that_is_missing_is_named(process: ToolProcess) -> None:
    def refuse(name: str) -> str:
        raise SecretMissing(f"secret 'quarterdeck/development/tools/{name}' cannot be read: X")

    answer = ToolRunner(MANIFEST, process, refuse, print).handle({"tool": "probe", "check": True})
    assert str(answer.error) == (
        "SecretMissing: secret 'quarterdeck/development/tools/search' cannot be read: X"
    )


def test_wrong_arguments_are_named_with_their_rule(probe: Callable[..., ToolAnswer]) -> None:
    assert str(probe("long", times="many").error) == (
        "InvalidArguments: times: Input should be a valid integer, unable to parse string as an "
        "integer"
    )
    fault = probe("dance").error
    assert fault
    assert fault.message.startswith("do: Input should be 'environment', 'key'")


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            {"tool": "saw", "check": True},
            "ToolUnknown: unknown tool 'saw'; known are: nowhere, probe",
        ),
        (
            {"tool": "nowhere", "check": True},
            "ToolFileInvalid: functions/tools/nowhere.py: it cannot be imported: "
            "ModuleNotFoundError: No module named 'tools.nowhere' "
            "(is it in the group 'tools' of pyproject.toml?)",
        ),
        (
            {"tool": "probe", "arguments": []},
            "InvalidRequest: arguments: must be an object; idempotency_key: is missing",
        ),
    ],
)
def test_what_cannot_be_called_is_an_answer(
    runner: ToolRunner, event: dict[str, Any], said: str
) -> None:
    assert str(runner.handle(event).error).startswith(said)


def test_a_check_loads_the_tool(runner: ToolRunner) -> None:
    assert runner.handle({"tool": "probe", "check": True}) == ToolAnswer()


def test_a_long_text_is_cut(probe: Callable[..., ToolAnswer]) -> None:
    text = probe("long", times=300_000).text
    assert text == "a" * LONGEST_TEXT + "… (cut: 200,000 of 300,000 characters)"


def test_half_a_letter_is_replaced(probe: Callable[..., ToolAnswer]) -> None:
    assert probe("half").text == "?"


def test_a_tool_that_exits_says_so_and_the_process_stays(
    probe: Callable[..., ToolAnswer],
) -> None:
    process = probe("go on").text
    assert str(probe("exit").error) == "SystemExit: 3"
    assert probe("go on").text == process


def test_a_tool_that_takes_too_long_is_ended_with_its_process(
    probe: Callable[..., ToolAnswer],
) -> None:
    process = probe("go on").text
    assert str(probe("sleep").error) == (
        "ToolTimedOut: no answer within 2 s; whether the tool acted is not known"
    )
    assert not Path("/proc", process).exists() or sys.platform != "linux"
    assert probe("go on").text != process


def test_a_tool_that_kills_its_process_is_told_of(probe: Callable[..., ToolAnswer]) -> None:
    assert str(probe("die").error) == (
        "ToolDied: the tool ended its process (exit code 4); whether it acted is not known"
    )
    assert probe("key").text == "key-1"


class Clock(ToolProcess):
    """Keeps the seconds of each request in place of serving it."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[float] = []

    def ask(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        assert request["seconds"] == seconds
        self.given.append(seconds)
        return {}


@pytest.mark.parametrize(("asked", "given"), [(None, 2), (60, 2), (0.5, 0.5)])
def test_a_call_has_the_time_of_the_tool_or_what_its_caller_has(
    asked: float | None, given: float
) -> None:
    clock = Clock()
    event: dict[str, Any] = {
        "tool": "probe",
        "arguments": {},
        "idempotency_key": "k",
        "seconds": asked,
    }
    ToolRunner(MANIFEST, clock, {"search": SECRET}.__getitem__, print).handle(event)
    clock.close()
    assert clock.given == [60, given]
