"""Crew systems from files: one YAML each, or a project of CrewAI's template."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from infra.crews.knowledge import inline_files
from infra.crews.project import Project, find_config, read_project
from infra.crews.yaml_source import Complaint, Refused, Source, read_yaml
from quarterdeck.errors import FieldError
from quarterdeck.faults import has_faulty_entry, spell_fault
from quarterdeck.systems.configuration import SystemConfiguration

CREWS = Path("functions/crews")


class CrewSystem(NamedTuple):
    """`place`: its file, or the directory of a project. `origin`: what it was read from."""

    place: Path
    configuration: SystemConfiguration
    origin: Source | Project

    @property
    def body(self) -> Mapping[str, Any]:
        """As it is posted."""
        origin = self.origin
        body: Mapping[str, Any] = (
            origin.configuration if isinstance(origin, Project) else origin.data
        )
        return body

    @property
    def notes(self) -> Sequence[Complaint]:
        """What was left out, and harms nothing."""
        return self.origin.notes if isinstance(self.origin, Project) else ()

    def complain(self, fault: FieldError) -> Complaint:
        """The fault where it stands in the files."""
        return locate(self.place, parse_path(fault.field), fault, self.origin)


def load_systems(places: Iterable[Path]) -> list[CrewSystem]:
    """All that the files and directories hold; Refused with whatever is wrong with any of them."""
    systems: list[CrewSystem] = []
    complaints: list[Complaint] = []
    for place in places:
        try:
            systems += [read_system(part) for part in list_places(place)]
        except Refused as refused:
            complaints += refused.complaints
    complaints += find_rivals(systems)
    if complaints:
        raise Refused(complaints)
    return systems


def list_places(place: Path) -> list[Path]:
    """A project or a file is one; any other directory, those of its YAML files."""
    if not place.is_dir() or find_config(place):
        return [place]
    files = sorted([*place.glob("*.yaml"), *place.glob("*.yml")])
    if not files:
        raise Refused([Complaint(place, None, "", "holds no crew system: no *.yaml, no project")])
    return files


def read_system(place: Path) -> CrewSystem:
    config = find_config(place) if place.is_dir() else None
    if config:
        project = read_project(place, config)
        return CrewSystem(place, validate(place, project.configuration, project), project)
    source = inline_files(read_yaml(place))
    return CrewSystem(place, validate(place, source.data, source), source)


def validate(place: Path, data: Any, origin: Source | Project) -> SystemConfiguration:
    """The configuration; Refused with each of its faults, where it stands in the files."""
    try:
        return SystemConfiguration.model_validate(data)
    except ValidationError as error:
        raise Refused(list(explain(place, error, origin))) from None


def explain(place: Path, error: ValidationError, origin: Source | Project) -> Iterator[Complaint]:
    faults = error.errors(include_url=False)
    locations = [fault["loc"] for fault in faults]
    for fault in faults:
        if fault["type"] == "too_short" and has_faulty_entry(fault["loc"], locations):
            continue
        named = spell_fault({**fault, "loc": (str(place), *fault["loc"])})
        yield locate(place, fault["loc"], named, origin)


def locate(
    place: Path, path: tuple[str | int, ...], fault: FieldError, origin: Source | Project
) -> Complaint:
    field = fault.field if path else ""
    if isinstance(origin, Project):
        return origin.complain(path, field, fault.rule)
    return Complaint(place, origin.find_line(path), field, fault.rule)


def parse_path(field: str) -> tuple[str | int, ...]:
    """`crews[0].agents[1].llm` -> `("crews", 0, "agents", 1, "llm")`."""
    parts = re.findall(r"[^.\[\]]+", field)
    return tuple(int(part) if part.isdecimal() else part for part in parts)


def find_rivals(systems: Iterable[CrewSystem]) -> Iterator[Complaint]:
    """Of one name: each would replace the other."""
    seen: dict[str, Path] = {}
    for system in systems:
        name = system.configuration.name
        if name in seen:
            yield Complaint(system.place, None, "name", f"'{name}' is that of {seen[name]} as well")
        seen.setdefault(name, system.place)
