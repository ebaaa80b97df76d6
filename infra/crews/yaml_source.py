"""YAML with its lines: what is at fault is told where it stands."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml


class Complaint(NamedTuple):
    """`line` counts from 1; `field` is a path in the file, empty for the file itself."""

    file: Path
    line: int | None
    field: str
    rule: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        return ": ".join(part for part in (place, self.field, self.rule) if part)


class Refused(Exception):
    """What is wrong with a crew system's files, all at once."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        super().__init__("\n".join(map(str, complaints)))
        self.complaints = tuple(complaints)


class Source(NamedTuple):
    file: Path
    data: Any
    root: yaml.Node | None

    def find_line(self, place: Sequence[str | int]) -> int | None:
        """Where that stands, or what it is missing from."""
        if self.root is None:
            return None
        node, line = self.root, self.root.start_mark.line + 1
        for part in place:
            if (found := find_child(node, part)) is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        return line


def find_child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """The node that names it, and its own."""
    if isinstance(node, yaml.MappingNode):
        return next((pair for pair in node.value if pair[0].value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def read_yaml(file: Path) -> Source:
    """The file's one document; Refused, with the line, if it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8")
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if complaints := list(find_repeated_keys(file, root)):
            raise Refused(complaints)
        return Source(file, loader.construct_document(root) if root else None, root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        rule = " ".join(part for part in (error.context, error.problem) if part)
        raise Refused([Complaint(file, mark.line + 1 if mark else None, "", rule)]) from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        rule = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise Refused([Complaint(file, None, "", rule)]) from None


def find_repeated_keys(file: Path, node: yaml.Node | None) -> Iterator[Complaint]:
    """YAML takes the last; whoever wrote the first does not expect that."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                yield Complaint(file, key.start_mark.line + 1, key.value, "stands twice")
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)
            yield from find_repeated_keys(file, value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from find_repeated_keys(file, value)
