"""Imports point inward, and crewai is loaded by those alone who run crews."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parents[2] / "functions"
MODULES = {
    ".".join(path.relative_to(FUNCTIONS).with_suffix("").parts): path
    for path in FUNCTIONS.rglob("*.py")
}
ENTRY_POINTS = {name for name in MODULES if "." not in name}
MAY_IMPORT_CREWAI = (
    "quarterdeck.execution",
    "quarterdeck.memory.backend",
    "quarterdeck.tooling.registry",
    "tools",
)
BACKUP_LAYER = ("aws_encryption_sdk",)
NOT_LOADED = {
    "api": ("crewai", "numpy", *BACKUP_LAYER),
    "authorizer": ("crewai", "numpy", *BACKUP_LAYER),
    "monitor": ("crewai", "numpy", *BACKUP_LAYER),
    "tools_runner": ("crewai", "numpy", *BACKUP_LAYER),
    "backup": ("crewai", "numpy"),
    "release_check": ("crewai", "numpy", *BACKUP_LAYER),
}
"""What is in no layer of a function, or too slow to load for nothing."""
INNERMOST = ("keys", "names", "errors", "retention")


def list_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_inward(module: str) -> None:
    for imported in list_imports(MODULES[module]):
        assert imported.partition(".")[0] not in ENTRY_POINTS | {"infra", "layers", "tests"}
        if is_within(imported, "quarterdeck.http"):
            assert is_within(module, "quarterdeck.http") or module == "api"
        if is_within(imported, "quarterdeck.execution"):
            assert is_within(module, "quarterdeck.execution") or module in {"worker", "deployer"}
        if is_within(imported, "tools"):
            assert is_within(module, "tools")
        if is_within(module, "tools") and is_within(imported, "quarterdeck"):
            assert is_within(imported, "quarterdeck.tooling")
        if is_within(imported, "crewai"):
            assert any(is_within(module, package) for package in MAY_IMPORT_CREWAI)


@pytest.mark.parametrize("module", [f"quarterdeck.{name}" for name in ("table", *INNERMOST)])
def test_the_innermost_know_none_of_the_services(module: str) -> None:
    inner = {f"quarterdeck.{name}" for name in INNERMOST}
    ours = {name for name in list_imports(MODULES[module]) if is_within(name, "quarterdeck")}
    assert all(any(is_within(name, package) for package in inner) for name in ours)


def test_only_the_keys_module_spells_a_key() -> None:
    prefixes = (
        *(
            "SYS#",
            "NAME#",
            "KEY#",
            "KEYS",
            "VERSION#",
            "DEPLOYMENT#",
            "LEASES#",
            "#CREW#",
            "#TASK#",
        ),
        *("#TASKS#", "#METRICS#", "#ALERTS", "METRIC#", "HISTORY#"),
        *("BACKUP#", "VERIFY#", "RESTORE#", "CHUNK#", "BACKED_UP"),
        *("IDEM#", "BUDGET#", "HOLD#", "QUEUE#", "LATER#", "EVENT#", "CALL#", "DECISION#"),
    )
    spelling = {
        name
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith(prefixes)
    }
    assert spelling == {"quarterdeck.keys"}


@pytest.mark.parametrize("module", NOT_LOADED)
def test_a_function_does_not_load_what_it_has_no_use_for(module: str) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(FUNCTIONS)!r}); import {module}; print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = run.stdout.split()
    assert "quarterdeck.settings" in loaded
    unused = NOT_LOADED[module]
    assert not [name for name in loaded if any(is_within(name, package) for package in unused)]
