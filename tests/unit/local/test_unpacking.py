"""What MiniStack unpacks: once for all processes, and anew when it is another archive."""

import tempfile
import zipfile
from pathlib import Path

import pytest

from infra.local.unpacking import SharedZip


@pytest.fixture(autouse=True)
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def unpack(root: Path, process: str, content: str) -> Path:
    """As MiniStack does it: the archive lies beside the empty directory that it goes to."""
    directory = root / process / "code"
    directory.mkdir(parents=True)
    with zipfile.ZipFile(root / process / "code.zip", "w") as archive:
        archive.writestr("package/module.py", content)
    with SharedZip(str(root / process / "code.zip")) as opened:
        opened.extractall(str(directory))
    assert (directory / "package" / "module.py").read_text() == content
    return directory.resolve()


def test_processes_share_what_they_were_given_alike(tmp_path: Path) -> None:
    one, two, other = (
        unpack(tmp_path, name, content)
        for name, content in (("one", "x = 1"), ("two", "x = 1"), ("other", "x = 2"))
    )
    assert one == two != other


def test_a_broken_archive_leaves_nothing_that_another_could_take(tmp_path: Path) -> None:
    (tmp_path / "code.zip").write_bytes(b"no archive")
    (tmp_path / "code").mkdir()
    for _ in range(2):
        with pytest.raises(zipfile.BadZipFile):
            SharedZip(str(tmp_path / "code.zip")).extractall(str(tmp_path / "code"))
