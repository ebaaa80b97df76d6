"""Knowledge in files: beside a crew system's own, and in a project of CrewAI's template."""

from pathlib import Path

import pytest

from infra.crews.systems import load_systems
from tests.unit.crews.test_files import AGENTS, SYSTEM, TASKS, complain, write

TEXT = "We write 'customers'."


def write_system(directory: Path, *entries: str) -> Path:
    lines = "".join(f"      - {{{entry}}}\n" for entry in entries)
    return write(directory / "desk.yaml", f"{SYSTEM}    knowledge:\n{lines}")


def test_a_file_is_sent_as_text_beside_texts(tmp_path: Path) -> None:
    write(tmp_path / "knowledge" / "style.md", TEXT)
    file = write_system(
        tmp_path, "name: own, text: t", "file: knowledge/style.md", "name: n, file: desk.yaml"
    )
    (system,) = load_systems([file])
    own, style, named = system.configuration.crews[0].knowledge
    assert (own.name, own.text, own.chunk_size) == ("own", "t", 4000)
    assert (style.name, style.text) == ("knowledge/style.md", TEXT)
    assert (named.name, named.text) == ("n", file.read_text())
    sent = system.body["crews"][0]["knowledge"]
    assert sent[1] == {"name": "knowledge/style.md", "text": TEXT}


@pytest.mark.parametrize(
    ("entry", "field", "rule"),
    [
        ("file: gone.md", "file", "No such file"),
        ("file: .", "file", "Is a directory"),
        ("file: 7", "file", "must be the path of a file"),
        ("file: ../outside.md", "file", "or below"),
        ("file: link.md", "file", "or below"),
        ("file: /etc/hostname", "file", "or below"),
        ("file: picture.png", "file", "is no text in UTF-8: convert it"),
        ("file: long.txt", "file", "has over 1,000,000 bytes: split it"),
        ("file: desk.yaml, text: t", "file", "goes without text"),
        ("file: blank.md", "text", "holds nothing but space"),
        ("name: n", "text", "is missing"),
        ("name: n, text: t, chunk_size: 99", "chunk_size", "greater than or equal to 100"),
    ],
)
def test_what_cannot_be_sent_is_told_where_it_is_named(
    entry: str, field: str, rule: str, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    outside = write(tmp_path / "outside.md", TEXT)
    write(here / "blank.md", " \n")
    write(here / "long.txt", "x" * 1_000_001)
    (here / "picture.png").write_bytes(b"\x89PNG\r\n\xff")
    (here / "link.md").symlink_to(outside)
    file = write_system(here, "name: first, text: t", entry)
    (line,) = complain(file)
    assert line.startswith(f"{file}:11: crews[0].knowledge[1].{field}: ")
    assert rule in line


def test_all_files_at_fault_are_told_at_once(tmp_path: Path) -> None:
    assert len(complain(write_system(tmp_path, "file: a", "file: b"))) == 2


def test_texts_of_one_name_are_refused(tmp_path: Path) -> None:
    file = write_system(tmp_path, "name: n, text: t", "name: n, text: u")
    assert complain(file) == [f"{file}:11: crews[0].knowledge[1].name: the text 'n' stands twice"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "latest-ai"
    write(root / "pyproject.toml", '[project]\nname = "latest_ai"\n')
    for name, text in (("agents", AGENTS), ("tasks", TASKS)):
        write(root / "src" / "latest_ai" / "config" / f"{name}.yaml", text)
    write(root / "knowledge" / "user_preference.txt", TEXT)
    write(root / "knowledge" / "deep" / "a.csv", "a,b\n")
    write(root / "knowledge" / ".DS_Store", "x")
    return root


@pytest.mark.parametrize("place", [".", "src/latest_ai", "src/latest_ai/config"])
def test_a_projects_knowledge_is_its_crews(place: str, project: Path) -> None:
    (system,) = load_systems([project / place])
    texts = {text.name: text.text for text in system.configuration.crews[0].knowledge}
    assert texts == {"deep/a.csv": "a,b\n", "user_preference.txt": TEXT}


def test_a_project_without_knowledge_has_none(project: Path) -> None:
    (project / "knowledge").rename(project.parent / "knowledge")
    (system,) = load_systems([project])
    assert system.configuration.crews[0].knowledge == ()


def test_a_projects_knowledge_that_is_no_text_is_told(project: Path) -> None:
    file = project / "knowledge" / "paper.pdf"
    file.write_bytes(b"%PDF-1.7\n\xff")
    assert complain(project) == [f"{file}: '{file}' is no text in UTF-8: convert it"]
