"""crewai in a directory of its own; what it reads at import is set before any test imports it."""

import os
import shutil
from collections.abc import Iterator
from tempfile import mkdtemp

import pytest

from quarterdeck.process import prepare_process

STORAGE = mkdtemp(prefix="quarterdeck-tests-")
os.environ["CREWAI_STORAGE_DIR"] = STORAGE
prepare_process()


@pytest.fixture(scope="session", autouse=True)
def storage() -> Iterator[None]:
    yield
    shutil.rmtree(STORAGE, ignore_errors=True)
