"""crewai in a directory of its own; what it reads at import is set before any test imports it."""

import os
import shutil
from collections.abc import Iterator
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import pytest

from quarterdeck.process import prepare_process

if TYPE_CHECKING:
    from tests.unit.execution.crash_lab import Lab

STORAGE = mkdtemp(prefix="quarterdeck-tests-")
os.environ["CREWAI_STORAGE_DIR"] = STORAGE
prepare_process()


@pytest.fixture(scope="session", autouse=True)
def storage() -> Iterator[None]:
    yield
    shutil.rmtree(STORAGE, ignore_errors=True)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Lab"]:
    # Imported here: it takes crewai's time, and few tests need it.
    from tests.unit.execution.crash_lab import open_lab

    with open_lab(tmp_path_factory.mktemp("effects")) as opened:
        yield opened
