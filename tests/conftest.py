"""For every tier: the process that crewai runs in, as the functions prepare it."""

import inspect
from pathlib import Path

import pytest
from hypothesis import settings

from quarterdeck.process import prepare_process
from tests.prove import PROVE

prepare_process()

# `make prove` runs the same properties deeper. No deadlines: these machines are noisy.
settings.register_profile("test", deadline=None)
settings.register_profile("prove", deadline=None, max_examples=1_000)
settings.load_profile("prove" if PROVE else "test")


@pytest.hookimpl(trylast=True)  # Hypothesis marks its own before.
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`make prove` leaves out what is the same in `make test`."""
    if not PROVE:
        return
    deeper = [item for item in items if is_deeper(item)]
    chosen = {item.nodeid for item in deeper}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in chosen])
    items[:] = deeper


def pytest_collection_finish(session: pytest.Session) -> None:
    """Under xdist a group stays together: it knows a group by the id, which pytest must let it."""
    if session.config.getoption("loadgroup", default=False):
        for item in session.items:
            group = item.get_closest_marker("xdist_group")
            assert group is None or item.nodeid.endswith(f"@{group.args[0]}"), item.nodeid


def is_deeper(item: pytest.Item) -> bool:
    """A property, or of a file that asks whether this is `make prove`."""
    if item.get_closest_marker("hypothesis"):
        return True
    function = getattr(item, "function", None)
    written = inspect.getsourcefile(inspect.unwrap(function)) if function else None
    files = {item.path, Path(written)} if written else {item.path}
    return any("tests.prove" in file.read_text() for file in files)
