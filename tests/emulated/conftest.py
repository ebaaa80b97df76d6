"""One emulator with the deployed development template, for all tests of this directory."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.api import Api
from infra.local.emulator import Emulator, run_emulator
from infra.local.ministack import STATE_DIR
from infra.local.service import Service, deploy_service, prepare_service
from tests.emulated.main_job import Provider, serve_allowed

LOG = STATE_DIR / "emulated-tests.log"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under `--dist loadgroup` one worker runs this directory, so there is one emulator."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.xdist_group("emulated"))


@pytest.fixture(scope="package")
def emulator() -> Iterator[Emulator]:
    with run_emulator(LOG) as running:
        yield running


@pytest.fixture(scope="package")
def service(emulator: Emulator) -> Service:
    """The development environment, deployed."""
    prepare_service()
    return deploy_service(emulator)


@pytest.fixture(scope="package")
def api(service: Service) -> Api:
    """A client with the admin key; `dataclasses.replace(api, key=None)` has none."""
    return service.api


@pytest.fixture(scope="package")
def aws(emulator: Emulator) -> Callable[[str], Any]:
    """`aws("dynamodb")`: a boto3 client of the emulator with root's rights."""
    return emulator.open_client


@pytest.fixture
def provider() -> Iterator[tuple[Provider, str]]:
    """The provider, and its base URL: one of those that the environment allows."""
    model = Provider()
    with serve_allowed(model.answer) as (_, url):
        yield model, url
        model.released.set()
