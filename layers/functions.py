"""The functions bundle: the code of every function, compiled, and what is made from it."""

import platform
import shutil
import sys
from pathlib import Path

from layers.archive import digest_files, digest_values, refresh_zip
from layers.packages import export_requirements
from layers.programs import ROOT, run_program
from layers.stub import STUBS
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
        run_program(
            [sys.executable, "-B", "-m", "quarterdeck.tooling.registry", "."],
            "the manifest of the tools cannot be made",
            directory=tree,
            variables={"PYTHONPATH": str(STUBS)},
        )
        compile_tree(tree, "/var/task")

    inputs = digest_values(
        digest_files(ROOT, Path(__file__).parent.glob("*.py")),
        digest_files(source, files),
        *(export_requirements(group) for group in ("base", "crewai", "tools")),
        platform.python_version(),
    )
    return refresh_zip(target, inputs, make_tree)
