"""Crew systems in files: what is wrong with them is told with file, line, path and rule."""

from pathlib import Path

import pytest
import yaml

from infra.crews.check import main
from infra.crews.systems import CREWS, load_systems
from infra.crews.yaml_source import Refused
from tests import systems

SYSTEM = """\
name: desk
crews:
  - name: research
    agents:
      - role: A
        goal: g
        backstory: b
        llm: rehearsal
"""
AGENTS = """\
researcher:
  role: >
    {topic} Senior Data Researcher
  goal: >
    Uncover cutting-edge developments in {topic}
  backstory: >
    You're a seasoned researcher.
  llm: openai/gpt-4o
  verbose: true
reporting_analyst:
  role: Reporting Analyst
  goal: Report on {topic}
  backstory: You're meticulous.
  llm: ollama/llama3
  max_execution_time: 60
"""
TASKS = """\
research_task:
  description: >
    Research {topic}. The current year is {current_year}.
  expected_output: >
    A list with 10 bullet points
  agent: researcher
reporting_task:
  description: Expand each topic
  expected_output: A report
  agent: reporting_analyst
  context: [research_task]
  output_file: report.md
"""


def complain(*places: Path) -> list[str]:
    with pytest.raises(Refused) as refused:
        load_systems(places)
    return [str(complaint) for complaint in refused.value.complaints]


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """As `crewai create crew` lays it out."""
    root = tmp_path / "latest-ai"
    write(root / "pyproject.toml", '[project]\nname = "latest_ai_development"\n')
    for name, text in (("agents", AGENTS), ("tasks", TASKS)):
        write(root / "src" / "latest_ai_development" / "config" / f"{name}.yaml", text)
    return root


def find_line(file: Path, text: str) -> int:
    return next(n for n, line in enumerate(file.read_text().splitlines(), 1) if text in line)


def change(project: Path, name: str, old: str, new: str) -> Path:
    file = project / "src" / "latest_ai_development" / "config" / name
    text = file.read_text()
    assert old in text
    return write(file, text.replace(old, new))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name: desk\ncrews: [\n", ":3: while parsing a flow node expected the node content"),
        ("name: desk\n\tcrews: 1\n", ":2: while scanning for the next token found character"),
        ("name: desk\nname: other\n", ":2: name: stands twice"),
        (SYSTEM.replace("name: research", "name: Research"), ":3: crews[0].name: String should"),
        (SYSTEM.replace("goal: g", "gaol: g"), ":5: crews[0].agents[0].goal: is missing"),
        (SYSTEM.replace("goal: g", "gaol: g"), ":6: crews[0].agents[0].gaol: is not a field of th"),
        (SYSTEM + "    tasks: [{name: s, description: d, agent: B}]\n", ":9: crews[0].tasks[0].ag"),
        ("", ": must be an object"),
        ("- a\n", ":1: must be an object"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(text: str, complaint: str, tmp_path: Path) -> None:
    file = write(tmp_path / "desk.yaml", text)
    assert any(line.startswith(f"{file}{complaint}") for line in complain(file))


def test_all_files_are_told_of_at_once(tmp_path: Path) -> None:
    bad = write(tmp_path / "bad.yaml", "crews: [")
    good = write(tmp_path / "good.yaml", SYSTEM)
    again = write(tmp_path / "twice.yml", SYSTEM)
    gone = tmp_path / "gone.yaml"
    empty = tmp_path / "empty"
    empty.mkdir()
    lines = complain(tmp_path, gone, empty, again, good)
    assert [line.partition(": ")[0] for line in lines] == [
        f"{bad}:1", str(gone), str(empty), str(good),
    ]  # fmt: skip
    assert lines[3].endswith(f"'desk' is that of {again} as well")


def test_a_project_is_a_system_as_it_is(project: Path) -> None:
    (system,) = load_systems([project])
    (crew,) = system.configuration.crews
    assert (system.configuration.name, crew.name) == ("latest-ai-development",) * 2
    assert [agent.role for agent in crew.agents] == [
        "{topic} Senior Data Researcher",
        "Reporting Analyst",
    ]
    assert crew.agents[0].llm.model_dump(exclude_none=True) == {
        "model": "openai/gpt-4o", "secret": "openai",
    }  # fmt: skip
    assert crew.agents[1].timeout == 60
    assert [(step.name, step.agent, step.context) for step in crew.tasks] == [
        ("research-task", crew.agents[0].role, None),
        ("reporting-task", "Reporting Analyst", ("research-task",)),
    ]
    assert crew.placeholders == ["current_year", "topic"]
    assert [(note.field, note.line) for note in system.notes] == [
        ("researcher.verbose", 9),
        ("reporting_task.output_file", 12),
    ]


@pytest.mark.parametrize("place", ["src/latest_ai_development", "src/latest_ai_development/config"])
def test_a_project_is_found_by_any_of_its_directories(place: str, project: Path) -> None:
    (system,) = load_systems([project / place])
    assert system.configuration.name == "latest-ai-development"


@pytest.mark.parametrize(
    ("model", "llm"),
    [
        ("gpt-4o", {"model": "openai/gpt-4o", "secret": "openai"}),
        ("o4-mini", {"model": "openai/o4-mini", "secret": "openai"}),
        ("claude-x", {"model": "anthropic/claude-x", "secret": "anthropic"}),
        ("bedrock/x", {"model": "bedrock/x"}),
    ],
)
def test_a_project_names_models_as_crewai_does(
    model: str, llm: dict[str, str], project: Path
) -> None:
    change(project, "agents.yaml", "openai/gpt-4o", model)
    (system,) = load_systems([project])
    assert system.configuration.crews[0].agents[0].llm.model_dump(exclude_none=True) == llm


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("agents.yaml", "goal: Report", "gaol: Report", ":10: reporting_analyst.goal: is missing"),
        (
            "agents.yaml",
            "ollama/llama3",
            "gemini/x",
            ":14: reporting_analyst.llm.model: 'gemini/x'",
        ),
        (
            "agents.yaml",
            "max_execution_time: 60",
            "max_execution_time: 0",
            ":15: reporting_analyst.max_execution_time: Input should be greater",
        ),
        (
            "agents.yaml",
            "verbose: true",
            "step_callback: log",
            ":9: researcher.step_callback: names code, which a configuration cannot",
        ),
        ("tasks.yaml", "agent: researcher", "agent: boss", ":6: research_task.agent: 'boss' is no"),
        (
            "tasks.yaml",
            "[research_task]",
            "[reporting_task]",
            ":11: reporting_task.context.0: 'reporting-task' is no earlier step",
        ),
        (
            "tasks.yaml",
            "output_file: report.md",
            "output_pydantic: Report",
            ":12: reporting_task.output_pydantic: names a class of code: give `output_schema`",
        ),
        ("tasks.yaml", TASKS, "research_task: look\n", ":1: research_task: must be an object"),
        ("tasks.yaml", TASKS, "", ": must hold a key or more"),
    ],
)
def test_a_projects_faults_are_told_in_words_of_its_files(
    file: str, old: str, new: str, complaint: str, project: Path
) -> None:
    changed = change(project, file, old, new)
    assert complain(project)[0].startswith(f"{changed}{complaint}")


def test_two_projects_in_one_are_to_be_told_apart(project: Path) -> None:
    write(project / "src" / "other" / "config" / "agents.yaml", AGENTS)
    assert "has several: " in complain(project)[0]


def test_every_system_that_ships_can_be_deployed(capsys: pytest.CaptureFixture[str]) -> None:
    """What CI says of a pull request that changes functions/crews/."""
    assert main([]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert [line.partition(":")[0] for line in said.out.splitlines()] == [
        str(file) for file in sorted(CREWS.glob("*.y*ml"))
    ]


def test_a_check_finds_what_only_a_deployment_knows(
    tmp_path: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = systems.agent(
        tools=["calculator", "nothing"],
        llm={"model": "openai/x", "base_url": "http://10.0.0.1/v1"},
    )
    file = tmp_path / "desk.yaml"
    file.write_text(yaml.safe_dump(systems.system(crews=[systems.crew(agents=[agent])])))
    changed = change(project, "agents.yaml", "verbose: true", "tools: [serper]")
    assert main([str(file), str(project)]) == 1
    places = [line.split(": ")[:3] for line in capsys.readouterr().err.splitlines()]
    assert [place[:2] for place in places] == [
        [f"{file}:{find_line(file, 'base_url')}", "crews[0].agents[0].llm.base_url"],
        [f"{file}:{find_line(file, 'nothing')}", "crews[0].agents[0].tools[1]"],
        [f"{changed}:9", "researcher.tools.0"],
    ]
    assert places[2][2].startswith("unknown tool 'serper'; known are")


def test_a_check_has_crewai_build_what_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("no crew today")

    monkeypatch.setattr("crewai.Crew", refuse)
    file = write(tmp_path / "desk.yaml", SYSTEM)
    assert main([str(file)]) == 1
    assert capsys.readouterr().err == (
        f"{file}:3: crews[0]: crewai refuses the crew 'research': no crew today\n"
    )


def test_a_check_passes_over_what_harms_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(project)]) == 0
    said = capsys.readouterr()
    assert "researcher.verbose: set by the environment, for all crews alike (left out)" in said.err
    assert said.out == (
        f"{project}: latest-ai-development is fine; its crews: latest-ai-development\n"
    )
