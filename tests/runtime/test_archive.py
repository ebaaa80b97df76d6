"""layers.archive: the same bytes for the same content, made when the inputs change."""

import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from layers.archive import digest_files, refresh_zip, write_zip


class Maker:
    """Fills a tree with one file, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, tree: Path) -> None:
        self.calls += 1
        (tree / "made").write_text(str(self.calls))


def read_made(archive: Path) -> str:
    with zipfile.ZipFile(archive) as opened:
        return opened.read("made").decode()


def test_zip_is_made_again_only_for_other_inputs(tmp_path: Path) -> None:
    make, target = Maker(), tmp_path / "out" / "some.zip"

    made = [read_made(refresh_zip(target, inputs, make)) for inputs in ("a", "a", "b", "b", "a")]

    assert made == ["1", "1", "2", "2", "3"]


def test_zip_that_was_removed_is_made_again(tmp_path: Path) -> None:
    make = Maker()
    refresh_zip(tmp_path / "some.zip", "a", make).unlink()

    assert read_made(refresh_zip(tmp_path / "some.zip", "a", make)) == "2"


def test_builds_at_once_make_one_zip(tmp_path: Path) -> None:
    make = Maker()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: refresh_zip(tmp_path / "some.zip", "a", make), range(8)))

    assert make.calls == 1


def test_failed_build_leaves_the_zip_and_nothing_else(tmp_path: Path) -> None:
    target = refresh_zip(tmp_path / "some.zip", "a", Maker())
    before = sorted(path.name for path in tmp_path.iterdir())

    def fail(tree: Path) -> None:
        (tree / "half").touch()
        raise RuntimeError("no network")

    with pytest.raises(RuntimeError, match="no network"):
        refresh_zip(target, "b", fail)

    assert read_made(target) == "1"
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_zip_does_not_depend_on_times_and_modes(tmp_path: Path) -> None:
    for number, name in enumerate(("one", "two")):
        tree = tmp_path / name
        (tree / "sub").mkdir(parents=True)
        for file in ("sub/b", "a")[:: 1 - 2 * number]:
            (tree / file).write_text(file)
            (tree / file).chmod(0o600 + number * 0o155)
            os.utime(tree / file, (number, number))
        write_zip(tree, tmp_path / f"{name}.zip")

    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_digest_tells_names_and_contents_apart(tmp_path: Path) -> None:
    def digest(files: dict[str, str]) -> str:
        for name, content in files.items():
            (tmp_path / name).write_text(content)
        return digest_files(tmp_path, [tmp_path / name for name in files])

    trees = [{"a": "1", "b": "2"}, {"a": "2", "b": "1"}, {"a": "12"}, {"c": "1", "b": "2"}]
    assert len({digest(tree) for tree in trees}) == len(trees)
    assert digest({"b": "2", "a": "1"}) == digest({"a": "1", "b": "2"})
