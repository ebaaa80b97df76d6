"""Fixtures of what runs as on Lambda: the unzipped layers and functions, and processes in them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.openai_server import OpenAIServer
from tests.runtime.runtime_api import FunctionProcess
from tests.runtime.sandbox import ENVIRONMENT, Sandbox, copy_distribution, prepare_sandbox

type StartFunction = Callable[..., FunctionProcess]


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    """The unzipped layers and functions bundle."""
    return prepare_sandbox()


@pytest.fixture(scope="session")
def runtime_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with awslambdaric and what it requires: /var/runtime on Lambda."""
    directory = tmp_path_factory.mktemp("runtime")
    copy_distribution("awslambdaric", directory)
    return directory


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def runtime(sandbox: Sandbox, runtime_client: Path, tmp_path: Path) -> Iterator[StartFunction]:
    """Starts a function: `runtime("api.lambda_handler", {"TABLE_NAME": …}).invoke(event)`."""
    with ExitStack() as started:

        def start_function(
            handler: str, environment: Mapping[str, str] | None = None
        ) -> FunctionProcess:
            name = handler.partition(".")[0]
            process = FunctionProcess(
                sandbox.run_module("awslambdaric", handler, beside=[runtime_client]),
                {
                    **ENVIRONMENT,
                    "AWS_LAMBDA_FUNCTION_NAME": name,
                    "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
                    "LAMBDA_TASK_ROOT": str(sandbox.task),
                    "_HANDLER": handler,
                    **(environment or {}),
                },
                log=tmp_path / f"{name}.log",
            )
            return started.enter_context(process)

        yield start_function
