"""Archives on moto."""

from collections.abc import Iterator

import pytest

from tests.account import mock_account
from tests.archive_site import ArchiveSite, make_archive_site
from tests.backup_site import BackupSite


@pytest.fixture(scope="module")
def archive_account() -> Iterator[ArchiveSite]:
    with pytest.MonkeyPatch.context() as patch, mock_account():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        yield make_archive_site()


@pytest.fixture
def site(archive_account: ArchiveSite) -> Iterator[ArchiveSite]:
    yield archive_account
    archive_account.objects.delete("")


@pytest.fixture
def world(site: ArchiveSite) -> BackupSite:
    return BackupSite(site)
