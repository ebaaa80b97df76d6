"""A project of CrewAI's template as a crew system: config/agents.yaml and config/tasks.yaml."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from infra.crews.knowledge import read_project_knowledge
from infra.crews.left_out import LEFT_OUT, RENAMED
from infra.crews.yaml_source import Complaint, Refused, Source, read_yaml

HARMLESS = {"verbose", "cache", "output_file", "create_directory"}
"""What is left out without a change to the crew's answer."""
OPENAI_MODELS = re.compile(r"(?:gpt-|o\d|chatgpt-)")
NAMES_CODE = dict.fromkeys(
    ("output_json", "output_pydantic"),
    "names a class of code: give `output_schema`, a JSON Schema",
)
KEYED = ("openai", "anthropic")

type Fields = dict[str, Any]


class Project(NamedTuple):
    """`notes`: what was left out, and harms nothing."""

    agents: Source
    tasks: Source
    configuration: Fields
    notes: list[Complaint]

    def complain(self, place: tuple[str | int, ...], field: str, rule: str) -> Complaint:
        """In words of the files: `researcher.llm` of agents.yaml."""
        for part, source, renamed in (
            ("agents", self.agents, RENAMED["Agent"]),
            ("tasks", self.tasks, RENAMED["Task"]),
        ):
            if len(place) > 3 and place[:3] == ("crews", 0, part):
                key = list(source.data)[int(place[3])]
                theirs = {ours: name for name, ours in renamed.items()}
                inside = tuple(theirs.get(str(name), name) for name in place[4:])
                field = ".".join(map(str, (key, *inside)))
                return Complaint(source.file, source.find_line((key, *inside)), field, rule)
        return Complaint(self.agents.file.parent, None, field, rule)


def find_config(directory: Path) -> Path | None:
    """The directory with agents.yaml and tasks.yaml; Refused if there are several."""
    places = [directory, directory / "config", *sorted(directory.glob("src/*/config"))]
    found = [place for place in places if (place / "agents.yaml").is_file()]
    if len(found) > 1:
        rule = f"has several: {', '.join(str(place) for place in found)}; name one"
        raise Refused([Complaint(directory, None, "", rule)])
    return found[0] if found else None


def read_project(directory: Path, config: Path) -> Project:
    """A sequential crew of the project's agents and tasks; Refused with all that does not fit."""
    agents, tasks = (read_mapping(config / name) for name in ("agents.yaml", "tasks.yaml"))
    name = choose_name(directory, config)
    complaints: list[Complaint] = []
    notes: list[Complaint] = []
    roles = {key: fields.get("role") for key, fields in agents.data.items()}
    crew = {
        "name": name,
        "agents": [convert_agent(agents, key, complaints, notes) for key in agents.data],
        "tasks": [convert_task(tasks, key, roles, complaints, notes) for key in tasks.data],
    }
    if complaints:
        raise Refused(complaints)
    if knowledge := read_project_knowledge(directory, config):
        crew["knowledge"] = knowledge
    return Project(agents, tasks, {"name": name, "crews": [crew]}, notes)


def read_mapping(file: Path) -> Source:
    source = read_yaml(file)
    if not isinstance(source.data, dict) or not source.data:
        raise Refused([Complaint(file, None, "", "must hold a key or more, each with its fields")])
    complaints = [
        Complaint(file, source.find_line((key,)), str(key), "must be an object")
        for key, fields in source.data.items()
        if not isinstance(fields, dict)
    ]
    if complaints:
        raise Refused(complaints)
    return source


def convert_agent(
    source: Source, key: str, complaints: list[Complaint], notes: list[Complaint]
) -> Fields:
    fields = keep_fields("Agent", source, key, complaints, notes)
    if isinstance(fields.get("llm"), str):
        fields["llm"] = convert_llm(fields["llm"])
    return fields


def convert_llm(model: str) -> Any:
    """As crewai reads it; the key is the secret of the provider's name."""
    if OPENAI_MODELS.match(model):
        model = f"openai/{model}"
    elif model.startswith("claude-"):
        model = f"anthropic/{model}"
    provider = model.partition("/")[0]
    return {"model": model, "secret": provider} if provider in KEYED else model


def convert_task(
    source: Source,
    key: str,
    roles: Mapping[str, Any],
    complaints: list[Complaint],
    notes: list[Complaint],
) -> Fields:
    fields = keep_fields("Task", source, key, complaints, notes)
    fields["name"] = fields.get("name", spell_name(key))
    agent = fields.get("agent")
    if isinstance(agent, str) and agent in roles:
        fields["agent"] = roles[agent]
    elif agent is not None:
        rule = f"'{agent}' is no key of agents.yaml; the keys are: {', '.join(map(str, roles))}"
        line = source.find_line((key, "agent"))
        complaints.append(Complaint(source.file, line, f"{key}.agent", rule))
    if isinstance(fields.get("context"), list):
        fields["context"] = [name_task(source, other) for other in fields["context"]]
    return fields


def name_task(source: Source, key: Any) -> Any:
    """The step's name of a key of tasks.yaml; anything else as it is."""
    fields = source.data.get(key) if isinstance(key, str) else None
    return fields.get("name", spell_name(key)) if fields else key


def keep_fields(
    kind: str,
    source: Source,
    key: str,
    complaints: list[Complaint],
    notes: list[Complaint],
) -> Fields:
    """The fields that we have; a complaint for each that crewai has and we have not."""
    kept: Fields = {}
    for name, value in source.data[key].items():
        reason = NAMES_CODE.get(name) or LEFT_OUT[kind].get(name)
        if reason is None:
            kept[RENAMED[kind].get(name, name)] = value
        else:
            told = Complaint(source.file, source.find_line((key, name)), f"{key}.{name}", reason)
            harmless = name in HARMLESS or value in (None, False, [])
            (notes if harmless else complaints).append(told)
    return kept


def choose_name(directory: Path, config: Path) -> str:
    """Of pyproject.toml, else of the directory that is no `config` and no `src`."""
    for place in (directory.resolve(), *list(config.resolve().parents)[:3]):
        file = place / "pyproject.toml"
        if file.is_file():
            named = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {}).get("name")
            if isinstance(named, str):
                return spell_name(named)
    return spell_name(next(p.name for p in walk_up(config.resolve()) if p.name != "config"))


def walk_up(place: Path) -> Iterator[Path]:
    yield place
    yield from place.parents


def spell_name(text: object) -> str:
    """`Research_Crew` -> `research-crew`."""
    return re.sub(r"[^a-z0-9]+", "-", str(text).lower()).strip("-")
