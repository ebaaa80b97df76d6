"""Files of knowledge beside a crew system's own: read here, and sent as text."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.crews.yaml_source import Complaint, Refused, Source

LARGEST_BYTES = 1_000_000
"""A request of the API has no room for more."""

type Fields = dict[str, Any]


class Unreadable(Exception):
    """The message is the rule that a file breaks."""


def inline_files(source: Source) -> Source:
    """The text in place of each `file` of a crew's knowledge; Refused with all that cannot be."""
    data = copy.deepcopy(source.data)
    complaints: list[Complaint] = []
    for place, entry in walk_knowledge(data):
        try:
            inline_file(source.file.parent, entry)
        except Unreadable as rule:
            field = f"crews[{place[1]}].knowledge[{place[3]}].file"
            line = source.find_line((*place, "file"))
            complaints.append(Complaint(source.file, line, field, str(rule)))
    if complaints:
        raise Refused(complaints)
    return source._replace(data=data)


def walk_knowledge(data: Any) -> Iterator[tuple[tuple[str | int, ...], Fields]]:
    """Each object of a crew's knowledge that names a file; whatever else is there is left alone."""
    for i, crew in enumerate(list_of(data, "crews")):
        for j, entry in enumerate(list_of(crew, "knowledge")):
            if isinstance(entry, dict) and "file" in entry:
                yield ("crews", i, "knowledge", j), entry


def list_of(parent: Any, name: str) -> list[Any]:
    found = parent.get(name) if isinstance(parent, dict) else None
    return found if isinstance(found, list) else []


def inline_file(directory: Path, entry: Fields) -> None:
    name = entry.pop("file")
    if not isinstance(name, str) or not name:
        raise Unreadable("must be the path of a file")
    if "text" in entry:
        raise Unreadable("goes without text: give one of the two")
    entry["text"] = read_text(directory, directory / name)
    entry.setdefault("name", name)


def read_text(directory: Path, file: Path) -> str:
    """Of a file in the directory or below; Unreadable for any other, or what is no text."""
    if not file.resolve().is_relative_to(directory.resolve()):
        raise Unreadable(f"'{file}' is not in '{directory}' or below")
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise Unreadable(f"'{file}' has over {LARGEST_BYTES:,} bytes: split it")
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise Unreadable(f"'{file}': {error.strerror}") from None
    except UnicodeError:
        raise Unreadable(f"'{file}' is no text in UTF-8: convert it") from None


def read_project_knowledge(project: Path, config: Path) -> list[Fields]:
    """The texts of all files in a CrewAI project's `knowledge`; Refused with those that are none.

    `project` is the directory that was named; its root may be above it.
    """
    directory = find_directory(project, config)
    if directory is None:
        return []
    texts: list[Fields] = []
    complaints: list[Complaint] = []
    for file in sorted(directory.rglob("*")):
        inside = file.relative_to(directory)
        if not file.is_file() or any(part.startswith(".") for part in inside.parts):
            continue
        try:
            texts.append({"name": str(inside), "text": read_text(directory, file)})
        except Unreadable as rule:
            complaints.append(Complaint(file, None, "", str(rule)))
    if complaints:
        raise Refused(complaints)
    return texts


def find_directory(project: Path, config: Path) -> Path | None:
    """`knowledge` of the directory that was named, or of the project's root above it."""
    root = next(
        (place for place in config.resolve().parents if (place / "pyproject.toml").is_file()), None
    )
    places = [place / "knowledge" for place in (project.resolve(), root) if place]
    return next((place for place in places if place.is_dir()), None)
