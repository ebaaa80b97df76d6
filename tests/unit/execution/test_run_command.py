from io import StringIO
from pathlib import Path

import pytest
import yaml

from infra.local.run_crew import main

AGENT = {"role": "Clerk", "goal": "g", "backstory": "b", "llm": "rehearsal"}


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.md"
    path.write_text("# Sea\n\nThe sea is salt. Rivers carry minerals to it.")
    return path


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command points crewai to a directory of its own: that is undone."""
    monkeypatch.setenv("CREWAI_STORAGE_DIR", "replaced")


def write(path: Path, *crews: object) -> str:
    file = path / "system.yaml"
    file.write_text(yaml.safe_dump({"name": "system", "crews": crews}))
    return str(file)


def make_step(description: str) -> dict[str, object]:
    return {"name": "look", "agent": "Clerk", "description": description}


def test_steps_result_tokens_and_time_are_shown(
    tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, {"name": "one", "agents": [AGENT]})
    assert main(["--crew", file, "--input", str(text), "--description", "Why salt?"]) == 0
    shown = capsys.readouterr().out
    assert "Clerk starts 'step-1'\n  Clerk ended 'step-1': " in shown
    assert "\nThe sea is salt. Rivers carry minerals to it.\n" in shown
    assert "succeeded (rehearsal): " in shown


def test_the_text_fills_the_one_input_that_is_not_set(
    tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = {"name": "other", "agents": [AGENT]}
    step = make_step("{what}\n\n# Paper\n\n{paper}")
    file = write(tmp_path, other, {"name": "one", "agents": [AGENT], "tasks": [step]})
    arguments = ["--crew", file, "--name", "one", "--input", str(text)]
    assert main([*arguments, "--set", "what=Why salt?"]) == 0
    assert "The sea is salt." in capsys.readouterr().out
    assert main(arguments) == 2
    assert "asks for paper, what: give --set paper=… --set what=…" in capsys.readouterr().err


def test_each_error_of_the_file_has_a_line_with_its_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = {**AGENT, "llm": "gpt", "tool": "x"}
    file = write(tmp_path, {"name": "one", "agents": [AGENT]}, {"name": "Two", "agents": [bad]})
    assert main(["--crew", file]) == 2
    lines = sorted(capsys.readouterr().err.splitlines())
    assert [line.partition(": ")[0] for line in lines] == [
        "crews[1].agents[0].llm.model",
        "crews[1].agents[0].tool",
        "crews[1].name",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [("crews: [", "system.yaml"), ("[]", "system.yaml: "), (None, "No such file")],
)
def test_a_file_that_is_no_configuration_is_one_clear_line(
    content: str | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "system.yaml"
    if content is not None:
        file.write_text(content)
    assert main(["--crew", str(file)]) == 2
    assert message in capsys.readouterr().err


def test_an_unknown_crew_lists_those_that_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, {"name": "one", "agents": [AGENT]})
    assert main(["--crew", file, "--name", "two"]) == 2
    assert "no crew 'two' in system; its crews are: one" in capsys.readouterr().err


def test_a_secret_is_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MY_OPENAI_API_KEY", raising=False)
    agent = {**AGENT, "llm": {"model": "openai/gpt", "secret": "my-openai"}}
    file = write(tmp_path, {"name": "one", "agents": [agent]})
    assert main(["--crew", file]) == 1
    shown = capsys.readouterr().out
    assert "secret 'my-openai': the variable MY_OPENAI_API_KEY is not set" in shown


def test_a_crew_uses_the_teams_tools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, {"name": "one", "agents": [{**AGENT, "tools": ["calculator"]}]})
    assert main(["--crew", file, "--description", "17 * 23"]) == 0
    assert "\n391\n" in capsys.readouterr().out


def test_a_tool_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, {"name": "one", "agents": [{**AGENT, "tools": ["shell"]}]})
    assert main(["--crew", file]) == 2
    assert capsys.readouterr().err == (
        "crews[0].agents[0].tools[0]: unknown tool 'shell'; known are: calculator, read_web_page\n"
    )


def write_asking(tmp_path: Path) -> str:
    step = make_step("{description}") | {"human_input": True}
    return write(tmp_path, {"name": "one", "agents": [AGENT], "tasks": [step]})


def test_a_step_asks_on_the_terminal_until_it_is_approved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("Be more brief.\n\n"))
    assert main(["--crew", write_asking(tmp_path), "--description", "Why salt?"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("Is the answer of the step 'look' good") == 2
    assert "succeeded (rehearsal): " in shown


def test_a_step_that_asks_where_nobody_is_fails_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO())
    assert main(["--crew", write_asking(tmp_path)]) == 1
    assert "nobody_to_ask: the step 'look' asks, and nobody answers" in capsys.readouterr().out
