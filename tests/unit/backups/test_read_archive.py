"""docs/read_archive.py reads what the project writes, with public libraries alone."""

import ast
import gc
import runpy
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.backups.archive.layout import PARTS, ArchiveName, Part
from quarterdeck.backups.archive.records import Record, decode_record, encode_record
from tests.archive_site import ArchiveSite, MemoryObjects, make_keys, make_records

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "docs/read_archive.py"
NAME = ArchiveName("desk", "b1")
VECTOR: dict[str, Any] = {"vector": {"B": bytes(range(256))}, "text": {"S": "нашёл — “so”"}}
WRITTEN: Mapping[Part, list[list[Record]]] = {
    **{part: [list(make_records(part, n)) for n in (3, 2)] for part in PARTS},
    "agent_memories": [[Record("agent_memories", "#MEMORY#research#1", "m1", VECTOR)]],
}

type Reader = Callable[..., int]


@pytest.fixture
def copy(archive_account: ArchiveSite, tmp_path: Path) -> Callable[[bool], Path]:
    """Writes an archive, and copies the bucket into a directory."""

    def write(encrypted: bool) -> Path:
        site = ArchiveSite(MemoryObjects(), archive_account.keys)
        site.write(NAME, WRITTEN, encrypted=encrypted)
        for key in site.objects.list(""):
            content = site.objects.get(key, 2**20)
            assert content
            path = tmp_path / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return tmp_path

    return write


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Reader:
    """The script's main, in this process: moto's KMS is here."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    main = runpy.run_path(str(SCRIPT))["main"]
    return lambda *arguments: int(main([*map(str, arguments)]))


def list_lines(parts: Mapping[Part, list[list[Record]]]) -> bytes:
    return b"".join(encode_record(r) for part in PARTS for c in parts.get(part, ()) for r in c)


def test_it_knows_nothing_of_the_project() -> None:
    tree = ast.parse(SCRIPT.read_text())
    imported = {
        *(alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names),
        *(str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)),
    }
    packages = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
    assert packages == {"aws_encryption_sdk", "backports", "boto3"}


@pytest.mark.parametrize("encrypted", [True, False], ids=["encrypted", "plain"])
def test_it_prints_the_records(
    read: Reader,
    copy: Callable[[bool], Path],
    encrypted: bool,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    directory = copy(encrypted)

    assert read(directory, *NAME) == 0
    assert capfdbinary.readouterr().out == list_lines(WRITTEN)
    assert read(directory, *NAME, "--part", "agent_memories") == 0
    [line] = capfdbinary.readouterr().out.splitlines()
    assert decode_record(line, "agent_memories").item == VECTOR


# The SDK's decryptor complains of a message that it did not read to its end.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("encrypted", [True, False], ids=["encrypted", "plain"])
@pytest.mark.parametrize("name", ["manifest", "task_histories/000002-1.chunk"])
def test_it_finds_damage(
    read: Reader,
    copy: Callable[[bool], Path],
    encrypted: bool,
    name: str,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    path = copy(encrypted) / NAME.locate(name)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    assert read(path.parents[name.count("/") + 3], *NAME) == 1
    gc.collect()
    printed = capfdbinary.readouterr()
    assert b"read_archive: " in printed.err
    whole = {part: WRITTEN[part] for part in PARTS[:2]} | {PARTS[2]: WRITTEN[PARTS[2]][:1]}
    assert printed.out == (b"" if name == "manifest" else list_lines(whole))


def test_it_opens_with_the_key_that_is_named(
    archive_account: ArchiveSite,
    read: Reader,
    copy: Callable[[bool], Path],
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    directory = copy(True)

    assert read(directory, *NAME, "--kms-key", archive_account.keys.key_id) == 0
    assert capfdbinary.readouterr().out == list_lines(WRITTEN)
    assert read(directory, *NAME, "--kms-key", make_keys().key_id) == 1
    assert capfdbinary.readouterr().out == b""


def test_it_reads_what_is_not_encrypted_without_kms(copy: Callable[[bool], Path]) -> None:
    command = [sys.executable, "-I", str(SCRIPT), str(copy(False)), *NAME, "--without-key"]
    run = subprocess.run(command, env={}, capture_output=True, check=True)
    assert run.stdout == list_lines(WRITTEN)


def test_it_does_not_read_what_is_encrypted_without_kms(
    read: Reader, copy: Callable[[bool], Path], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert read(copy(True), *NAME, "--without-key") == 1
    assert b"the archive is encrypted" in capfdbinary.readouterr().err
