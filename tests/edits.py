"""The code as it would be without a piece of it: in this process, or in a pytest of its own.

As a plugin (`-p tests.edits`) it runs the tests with the edit that QUARTERDECK_EDIT spells.
"""

import ast
import importlib
import inspect
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from typing import Any
from unittest.mock import patch

import pytest

VARIABLE = "QUARTERDECK_EDIT"


@dataclass(frozen=True)
class Edit:
    """A function's source with one piece of text in place of another."""

    where: str
    """`module:function` or `module:Class.method`, below quarterdeck."""
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.where}: {self.old!r} -> {self.new!r}"


@contextmanager
def edited(edit: Edit) -> Iterator[None]:
    """The code as it would be with the edit; an edit that no longer applies is an error."""
    module_name, _, path = edit.where.partition(":")
    module = importlib.import_module(f"quarterdeck.{module_name}")
    *holders, name = path.split(".")
    holder: Any = getattr(module, holders[0]) if holders else module
    original = getattr(holder, name)
    source = textwrap.dedent(inspect.getsource(original))
    if source.count(edit.old) != 1:
        raise LookupError(f"{edit.where} has {edit.old!r} {source.count(edit.old)} times")
    namespace = vars(module)
    compiled = compile(ast.parse(source.replace(edit.old, edit.new)), module.__file__ or "", "exec")
    made: dict[str, Any] = {}
    exec(compiled, namespace, made)
    with ExitStack() as patches:
        for other in [holder, *sys.modules.values()]:
            if getattr(other, name, None) is original:
                patches.enter_context(patch.object(other, name, made[name]))
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop() -> Generator[None, object, object]:
    """By now everything is imported that will have the edit."""
    if VARIABLE not in os.environ:
        return (yield)
    with edited(Edit(*json.loads(os.environ[VARIABLE]))):
        return (yield)


def run_edited(edit: Edit, test: str) -> subprocess.CompletedProcess[str]:
    """A pytest of this one test, with the edit."""
    command = f"{sys.executable} -m pytest -n0 -x -q -p no:cacheprovider -p tests.edits {test}"
    environment = os.environ | {VARIABLE: json.dumps(astuple(edit))}
    environment.pop("QUARTERDECK_PROVE", None)
    return subprocess.run(
        command.split(" "), env=environment, capture_output=True, text=True, timeout=90, check=False
    )
