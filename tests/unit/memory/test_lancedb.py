"""The suite that our storage is held to, on the storage that it stands for: `make prove` alone."""

from pathlib import Path
from typing import Any

import pytest

from tests.lancedb_packages import add_lancedb
from tests.prove import prove
from tests.storage_conformance import StorageConformance


@prove
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # crewai uses what is deprecated
@pytest.mark.xdist_group("lancedb")
class TestLanceDBStorage(StorageConformance):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Any:
        add_lancedb()
        from crewai.memory.storage.lancedb_storage import LanceDBStorage

        return LanceDBStorage(tmp_path, compact_every=0)
