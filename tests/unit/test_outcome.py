"""Outcomes can be stored and counted, whatever a model or a provider says."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.keys import Scope
from quarterdeck.metrics.buckets import count_outcome
from quarterdeck.tasks.outcome import (
    Outcome,
    StepResult,
    TaskError,
    Usage,
    summarize_outcome,
)

anything = st.text(st.characters(), max_size=300)


@given(anything, anything, st.integers())
def test_any_outcome_can_be_stored_and_counted(text: str, kind: str, tokens: int) -> None:
    outcome = Outcome(
        status="failed",
        output=text,
        error=TaskError(type=kind, message=text),
        steps=(StepResult(name="a", agent=text, output=text, usage=Usage(), duration_ms=1),),
        usage=Usage(prompt_tokens=tokens),
    )
    assert Outcome.model_validate_json(outcome.model_dump_json()) == outcome
    update = count_outcome(Scope("s", 1), "crew", outcome, 5, datetime(2026, 1, 1, tzinfo=UTC))
    assert all(name.isascii() and len(name) < 100 for name in update.add)
    assert all(0 <= value < 10**16 for value in update.add.values())


def test_half_of_a_surrogate_pair_is_replaced() -> None:
    assert Outcome(status="succeeded", output="cut \ud83d").output == "cut ?"


def test_a_summary_has_all_but_the_texts() -> None:
    step = StepResult(name="a", agent="b", output="long", usage=Usage(), duration_ms=1)
    outcome = Outcome(status="succeeded", output="long", steps=(step,), rehearsal=True)
    summary = summarize_outcome(outcome)
    assert "long" not in str(summary)
    assert (summary["rehearsal"], summary["steps"][0]["name"]) == (True, "a")


def test_a_summary_holds_no_text_and_no_data_of_a_crew() -> None:
    step = StepResult(
        name="s", agent="A", output="{}", data={"a": "long"}, usage=Usage(), duration_ms=1
    )
    outcome = Outcome(status="succeeded", output="{}", data={"a": "long"}, steps=(step,))
    summary = summarize_outcome(outcome)
    assert "long" not in str(summary)
    assert "data" not in summary
    assert "data" not in summary["steps"][0]
