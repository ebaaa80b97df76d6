"""The code as it would be without a piece of it: in this process, or in a pytest of its own."""

import ast
import importlib
import inspect
import multiprocessing
import os
import sys
import textwrap
import traceback
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.prove import VARIABLE

OPTIONS = [
    "-n0",
    "-x",
    "-q",
    "-p",
    "no:cacheprovider",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
]
UNTRIED = 100
PRELOADED = [
    "tests.conftest",
    "tests.unit.conftest",
    "tests.unit.execution.sites",
    "tests.unit.execution.journals",
    "crewai.llms.providers.openai.completion",
]


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


class Failures:
    """A plugin that counts what failed in the tests themselves, not around them."""

    count = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.count += report.when == "call" and report.failed


def run_edited(edit: Edit | None, tests: Collection[str], output: Path) -> int | None:
    """How many of the tests failed, in a process of its own; negative if they could not be run."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(PRELOADED)
    process = server.Process(target=run_here, args=(edit, tests, output))
    # Python 3.13.0's server preloads without this process's path.
    with patch.dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)):
        os.environ.pop(VARIABLE, None)
        process.start()
    process.join(120)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode if process.exitcode != UNTRIED else -UNTRIED


def run_here(edit: Edit | None, tests: Collection[str], output: Path) -> None:
    with output.open("w") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    result, failures = UNTRIED, Failures()
    try:
        with edited(edit) if edit else nullcontext():
            code = pytest.main([*OPTIONS, *tests], plugins=[failures])
        if code in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
            result = failures.count
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(result)
