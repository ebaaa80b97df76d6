"""The functions bundle: the code of every function, compiled, and the pages made from it."""

import platform
import shutil
import sys
from pathlib import Path

from layers.archive import digest_files, digest_values, refresh_zip
from layers.packages import export_requirements
from layers.programs import ROOT, run_program
from layers.trees import compile_tree, list_files

SOURCE = ROOT / "functions"
SHIPPED_SUFFIXES = frozenset({".py", ".yaml", ".json", ".html", ".txt"})


def build_functions(target: Path, source: Path = SOURCE) -> Path:
    """Makes the zip `target` when what goes in changed."""
    files = [path for path in list_files(source) if path.suffix in SHIPPED_SUFFIXES]

    def make_tree(tree: Path) -> None:
        for path in files:
            copy = tree / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        run_program(
            [sys.executable, "-B", "-m", "quarterdeck.http.openapi", "."],
            "the OpenAPI document cannot be made",
            directory=tree,
        )
        compile_tree(tree, "/var/task")

    inputs = digest_values(
        digest_files(ROOT, Path(__file__).parent.glob("*.py")),
        digest_files(source, files),
        export_requirements("base"),
        platform.python_version(),
    )
    return refresh_zip(target, inputs, make_tree)
