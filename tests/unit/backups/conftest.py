"""Archives on moto."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from tests.archive_site import ArchiveSite, make_archive_site


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[ArchiveSite]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield make_archive_site()
