"""What a deployed directory holds: what is needed at run time, and compiled code."""

import re
import sys
from pathlib import Path, PurePosixPath

from layers.programs import run_program

# Versions and entry points are read at run time, and licences have to go with copies.
KEPT_METADATA = re.compile(
    r"METADATA|entry_points\.txt|.*(LICEN[CS]E|NOTICE|COPYING).*", re.IGNORECASE
)
# uv's lock, programs, examples and tests; and what only compilers and type checkers read.
UNUSED = re.compile(
    r"""
    ^\.lock$ | ^bin/ | ^boto3/examples/ | ^numpy/f2py/ | (^|/)(tests|__pycache__)/
    | \.(a|build|c|cmake|f|f90|h|pc|proto|pxd|pxi|pyf|pyi|pyx|rst|typed)$
    """,
    re.VERBOSE,
)


def list_files(directory: Path) -> list[Path]:
    """The files under a directory, without those that Python caches there."""
    return [path for path in directory.rglob("*") if path.is_file() and path.suffix != ".pyc"]


def prune_site(site: Path) -> None:
    """Removes the installed files that `is_needed` does not keep."""
    for path in site.rglob("*"):
        if not path.is_dir() and not is_needed(PurePosixPath(path.relative_to(site))):
            path.unlink()


def is_needed(path: PurePosixPath) -> bool:
    """Whether an installed file, named relative to its site directory, is of use at run time."""
    if path.parts[0].endswith(".dist-info"):
        return KEPT_METADATA.fullmatch(path.name) is not None
    return UNUSED.search(path.as_posix()) is None


def compile_tree(tree: Path, deployed_to: str) -> None:
    """Adds .pyc files that are used without a look at the source, with the paths of Lambda.

    One process in a fixed order: the bytes of a .pyc depend on what its process compiled before.
    """
    how = ("-q", "--invalidation-mode", "unchecked-hash", "-s", str(tree), "-p", deployed_to)
    run_program(
        [sys.executable, "-I", "-m", "compileall", *how, str(tree)],
        f"what belongs in {deployed_to} does not compile",
    )
