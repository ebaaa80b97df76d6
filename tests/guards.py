"""Suites that take guards out of the code one by one; each file names its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.edits import Edit, edited, run_edited
from tests.prove import prove


class Edits:
    """Edits of the code as it is, each with what tells that it was made."""

    edits: ClassVar[Sequence[tuple[str, str, str, Any]]]
    """(where, old, new, what tells)"""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        names = [name for name in ("edit", "teller") if name in metafunc.fixturenames]
        rows = [(Edit(*what), teller)[: len(names)] for *what, teller in self.edits]
        if names:
            metafunc.parametrize(names, rows, ids=str)

    def test_an_edit_is_one_of_the_code_as_it_is(self, edit: Edit) -> None:
        with edited(edit):
            pass


class Guards(Edits):
    """Without a guard the test that is named with it fails."""

    directory: ClassVar[str]

    @prove
    def test_without_it_a_test_fails(self, edit: Edit, teller: str, tmp_path: Path) -> None:
        output = tmp_path / "output"
        failed = run_edited(edit, [f"{self.directory}/{teller}"], output)
        assert failed, "no test tells"
        assert failed > 0, output.read_text()

    @prove
    def test_with_nothing_taken_out_they_pass(self, tmp_path: Path) -> None:
        output = tmp_path / "output"
        tests = sorted({f"{self.directory}/{teller}" for *_, teller in self.edits})
        assert run_edited(None, tests, output) == 0, output.read_text()
