"""The suite that our storage is held to, on the storage that it stands for: `make prove` alone."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.lancedb_packages import add_lancedb
from tests.storage_conformance import StorageConformance


@pytest.mark.skipif(not os.environ.get("QUARTERDECK_PROVE"), reason="a part of make prove")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # crewai uses what is deprecated
@pytest.mark.xdist_group("lancedb")
class TestLanceDBStorage(StorageConformance):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Any:
        add_lancedb()
        from crewai.memory.storage.lancedb_storage import LanceDBStorage

        return LanceDBStorage(tmp_path, compact_every=0)
