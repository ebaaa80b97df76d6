"""The unit tier: moto in-process, and the services as the functions make them."""

from collections.abc import Iterator

import pytest

from quarterdeck import settings
from quarterdeck.http import services as http_services
from quarterdeck.http.services import Services
from tests.account import ENVIRONMENT, mock_account, prepare_account


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An account with what the stacks make, and nothing in it."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    settings.load_settings.cache_clear()
    with mock_account():
        for name, value in prepare_account().items():
            monkeypatch.setenv(name, value)
        yield
    settings.load_settings.cache_clear()


@pytest.fixture
def services(aws: None) -> Iterator[Services]:
    http_services.load_services.cache_clear()
    yield http_services.load_services()
    http_services.load_services.cache_clear()
