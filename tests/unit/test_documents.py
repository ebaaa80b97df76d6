"""The documents: each command in them is one that exists, each link leads somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.makefile import read_targets

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
MAKE = re.compile(r"((?:\b[A-Z]+=\S+ )*)\bmake ([a-z][a-z-]*)((?: +[A-Z]+=(?:'[^']*'|\S*))*)")
VARIABLE = re.compile(r"\b([A-Z]+)=")
LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(#[^)\s]+)?\)")


class Command(NamedTuple):
    target: str
    variables: frozenset[str]


def list_commands(document: str) -> Iterator[Command]:
    """The calls of make in what is set as code; in prose, `make` is a word."""
    fenced = FENCED.findall(document)
    for code in (*fenced, *CODE.findall(FENCED.sub("", document))):
        for before, target, after in MAKE.findall(code):
            yield Command(target, frozenset(VARIABLE.findall(before + after)))


def find_faults(document: str) -> Iterator[str]:
    targets = read_targets()
    for command in list_commands(document):
        if command.target not in targets:
            yield f"make {command.target}: no such target"
            continue
        rule = targets[command.target]
        for name in sorted(command.variables):
            if not re.search(rf"\b{name}\b", rule):
                yield f"make {command.target}: takes no {name}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_exists_and_takes_its_variables(path: Path) -> None:
    assert list(find_faults(path.read_text(encoding="utf-8"))) == []


def test_the_documents_have_commands() -> None:
    found = {each.target for path in DOCUMENTS for each in list_commands(path.read_text())}
    assert {"deploy", "smoke", "redrive", "recover", "cost", "demo", "destroy"} <= found


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ("`make nothing`", "make nothing: no such target"),
        ("```\nmake smoke URL=x TOKEN=y\n```", "make smoke: takes no TOKEN"),
        ("` MODEL=x make demo`", "make demo: takes no MODEL"),
    ],
)
def test_a_command_that_does_not_exist_is_found(document: str, fault: str) -> None:
    assert list(find_faults(document)) == [fault]
    assert not list(find_faults("We make nothing of it. `make smoke URL=x KEY=y`"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target, anchor in LINK.findall(path.read_text(encoding="utf-8")):
        found = (path.parent / target) if target else path
        assert found.exists(), target
        if anchor and found.suffix == ".md":
            assert anchor[1:] in list_anchors(found), f"{target}{anchor}"


def list_anchors(path: Path) -> set[str]:
    """As GitHub makes them of headings."""
    text = FENCED.sub("", path.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
