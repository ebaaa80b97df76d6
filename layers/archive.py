"""Zips that are the same byte for byte for the same content, made again only for other inputs."""

import fcntl
import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

# A zip cannot say an earlier time; any fixed one does.
TIMESTAMP = (1980, 1, 1, 0, 0, 0)
REGULAR_FILE_READABLE_BY_ALL = 0o100644 << 16
UNIX = 3


def refresh_zip(target: Path, inputs: str, make_tree: Callable[[Path], None]) -> Path:
    """Zips what `make_tree` puts into a directory, unless `target` was made from these `inputs`."""
    stamp = _name_beside(target, "stamp")
    if _is_current(target, stamp, inputs):
        return target
    with hold_lock(target):
        if not _is_current(target, stamp, inputs):
            with _open_workspace(target) as workspace:
                tree, archive = workspace / "tree", workspace / "zip"
                tree.mkdir()
                make_tree(tree)
                write_zip(tree, archive)
                # Without a stamp a half-done replacement counts as stale.
                stamp.unlink(missing_ok=True)
                archive.replace(target)
            stamp.write_text(inputs, encoding="ascii")
    return target


def write_zip(tree: Path, target: Path) -> None:
    """Zips the files under `tree`: sorted names, fixed times and modes."""
    files = {path.relative_to(tree).as_posix(): path for path in tree.rglob("*") if path.is_file()}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, TIMESTAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = REGULAR_FILE_READABLE_BY_ALL
            entry.create_system = UNIX
            archive.writestr(entry, path.read_bytes())


def measure_zip(path: Path) -> tuple[int, int]:
    """The bytes of a zip, and of its files unzipped."""
    with zipfile.ZipFile(path) as archive:
        return path.stat().st_size, sum(entry.file_size for entry in archive.infolist())


def digest_values(*values: str) -> str:
    """One digest over the values in their order."""
    return hashlib.sha256("".join(f"{len(value)}:{value}" for value in values).encode()).hexdigest()


def digest_files(root: Path, files: Iterable[Path]) -> str:
    """One digest over the names and contents of files under `root`."""
    contents = {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
    return digest_values(
        *(f"{name}={hashlib.sha256(data).hexdigest()}" for name, data in sorted(contents.items()))
    )


def _is_current(target: Path, stamp: Path, inputs: str) -> bool:
    return target.exists() and stamp.exists() and stamp.read_text(encoding="ascii") == inputs


def _name_beside(target: Path, role: str) -> Path:
    return target.with_name(f".{target.name}.{role}")


@contextmanager
def hold_lock(target: Path) -> Iterator[None]:
    """Holds the lock of `target` against other processes and threads."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(_name_beside(target, "lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _open_workspace(target: Path) -> Iterator[Path]:
    """An empty directory for the lock's holder, whatever one that was killed left there."""
    workspace = _name_beside(target, "making")
    shutil.rmtree(workspace, ignore_errors=True)
    workspace.mkdir()
    try:
        yield workspace
    finally:
        shutil.rmtree(workspace)
