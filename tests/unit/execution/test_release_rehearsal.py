"""What a release of the worker shows before it gets work, and what it is refused for."""

from collections.abc import Callable

import pytest

from quarterdeck.execution import release_rehearsal
from quarterdeck.execution.release_rehearsal import Rehearsal, rehearse_release
from quarterdeck.execution.tool_function import ToolsUnreachable
from quarterdeck.tooling.manifest import Manifest, Tool, load_manifest
from quarterdeck.tooling.messages import ToolAnswer, ToolFault, ToolRequest


def calculate(tool: Tool, request: ToolRequest) -> ToolAnswer:
    assert (tool.name, request.arguments) == ("calculator", {"expression": "6 * 7"})
    return ToolAnswer(text="42")


def rehearse(
    call: Callable[[Tool, ToolRequest], ToolAnswer] = calculate,
    manifest: Manifest | None = None,
    left: float = 60,
) -> Rehearsal:
    known = load_manifest() if manifest is None else manifest
    return rehearse_release(known, call, lambda: left, verbose=False)


def test_a_crew_calls_its_tool_once_and_replays() -> None:
    calls: list[str] = []

    def count(tool: Tool, request: ToolRequest) -> ToolAnswer:
        calls.append(request.tool)
        return calculate(tool, request)

    rehearsal = rehearse(count)
    assert rehearsal == Rehearsal(fault=None, tool="calculator", model_calls=3)
    assert calls == ["calculator"]


def test_a_tool_that_is_wrong_or_out_of_reach_is_a_fault() -> None:
    def miscalculate(tool: Tool, request: ToolRequest) -> ToolAnswer:
        return ToolAnswer(text="41")

    def refuse(tool: Tool, request: ToolRequest) -> ToolAnswer:
        raise ToolsUnreachable("the tools function cannot be called: AccessDeniedException")

    def fail(tool: Tool, request: ToolRequest) -> ToolAnswer:
        return ToolAnswer(error=ToolFault(type="ToolFileInvalid", message="no such module"))

    said = [rehearse(call).fault for call in (miscalculate, refuse, fail)]
    assert said == [
        "the tool 'calculator' said 41, and not 42",
        "the tool 'calculator' said ToolsUnreachable: the tools function cannot be called: "
        "AccessDeniedException, and not 42",
        "the tool 'calculator' said ToolFileInvalid: no such module, and not 42",
    ]


@pytest.mark.parametrize("change", [{"has_effect": True}, {"secrets": ("key",)}])
def test_no_other_tool_is_called(change: dict[str, object]) -> None:
    changed = {"calculator": load_manifest()["calculator"].model_copy(update=change)}
    for manifest in ({}, changed):
        rehearsal = rehearse(manifest=manifest)
        assert (rehearsal.fault, rehearsal.tool, rehearsal.model_calls) == (None, None, 2)


def test_a_crew_that_fails_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_crew(*_: object) -> None:
        raise ValueError("crewai has changed")

    monkeypatch.setattr("quarterdeck.execution.run.follow_crew", break_crew)
    assert rehearse().fault == "the crew failed: ValueError: crewai has changed"


def test_a_crew_that_loses_its_answer_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_rehearsal, "ANSWER", "as far as you like")
    fault = rehearse(manifest={}).fault or ""
    assert fault.endswith("twenty nautical miles.', not 'as far as you like'")


def test_a_journal_that_forgets_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quarterdeck.execution.journal.Journal.find", lambda *_: None)
    assert rehearse().fault == "the journal does not replay: 4 calls were made again"


def test_a_rehearsal_ends_with_its_time() -> None:
    assert rehearse(left=-1).fault == "the crew stopped, timed_out"
