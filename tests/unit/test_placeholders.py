import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.systems.configuration import Crew
from quarterdeck.systems.placeholders import fill_placeholders


@given(st.text())
def test_a_filled_value_is_not_read_again(text: str) -> None:
    values = {"description": text, "other": "{description}"}
    assert fill_placeholders("<{description}|{other}>", values) == f"<{text}|{{description}}>"


@pytest.mark.parametrize("text", ['{"a": {}}', "{ description }", "{1}", "{}", "{{", "a{b c}d"])
def test_other_braces_stay(text: str) -> None:
    assert fill_placeholders(text, {}) == text


def test_an_unknown_placeholder_is_named() -> None:
    with pytest.raises(KeyError, match="topic"):
        fill_placeholders("About {topic}", {})


def test_the_inputs_of_a_crew_are_those_of_all_its_texts() -> None:
    crew = Crew.model_validate(
        {
            "name": "crew",
            "agents": [
                {"role": "{a}", "goal": "{b} {a}", "backstory": "{c}", "llm": "rehearsal"},
            ],
            "tasks": [
                {
                    "name": "step",
                    "agent": "{a}",
                    "description": "{description} {d}",
                    "expected_output": "{e-1}",
                }
            ],
        }
    )
    assert crew.placeholders == ["a", "b", "c", "d", "e-1"]
