"""The functions: what they are made of, what they are told, what starts them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.environment import load_target
from quarterdeck.execution.tool_function import READ_SECONDS
from quarterdeck.retention import Retention
from quarterdeck.settings import (
    ApiSettings,
    AuthorizerSettings,
    BackupSettings,
    DeployerSettings,
    MonitorSettings,
    ReleaseCheckSettings,
    Settings,
    StateSettings,
    ToolsSettings,
    WorkerSettings,
)
from quarterdeck.tooling.policy import LOADING_SECONDS, LONGEST_SECONDS
from tests.stack.conftest import ENVIRONMENTS, Assembly

pytestmark = pytest.mark.xdist_group("synth")

SETTINGS: dict[str, type[Settings]] = {
    "api": ApiSettings,
    "authorizer": AuthorizerSettings,
    "deployer": DeployerSettings,
    "worker": WorkerSettings,
    "monitor": MonitorSettings,
    "backup": BackupSettings,
    "tools_runner": ToolsSettings,
    "release_check": ReleaseCheckSettings,
}
FUNCTIONS = Path(__file__).parents[2] / "functions"


def test_each_function_gets_the_variables_of_its_settings(assembly: Assembly) -> None:
    given = {
        name: {
            variable
            for variable in properties["Environment"]["Variables"]
            if not variable.startswith("POWERTOOLS_")
        }
        for name, (_, properties) in assembly.functions().items()
    }
    variables = {
        name: {field.upper() for field in kind.model_fields} for name, kind in SETTINGS.items()
    }
    assert given == assembly.expect(variables, variables.pop("release_check"))


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_read_what_the_template_says(production: Assembly, name: str) -> None:
    _, properties = production.functions()[name]
    values = {
        field: properties["Environment"]["Variables"][field.upper()]
        for field in SETTINGS[name].model_fields
    }
    # References are text when a function reads them.
    texts = {field: v if isinstance(v, str) else "reference" for field, v in values.items()}
    read = SETTINGS[name].model_validate(texts)
    assert (read.environment, read.log_level, read.debug_mode) == ("production", "WARNING", False)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_functions_are_told_for_how_long_to_keep_what_they_write(
    synthesise: Callable[..., Assembly], name: str
) -> None:
    wanted = load_target(name).environment.retention.model_dump()
    for function, kind in SETTINGS.items():
        if issubclass(kind, StateSettings):
            _, properties = synthesise(name).functions()[function]
            given = properties["Environment"]["Variables"]["RETENTION"]
            assert Retention.model_validate_json(given).model_dump() == wanted


def test_model_base_urls_reach_the_api(development: Assembly) -> None:
    _, properties = development.functions()["api"]
    given = json.loads(properties["Environment"]["Variables"]["MODEL_BASE_URLS"])
    assert "http://localhost:11434/v1" in given


def test_each_handler_is_a_file_of_the_bundle(assembly: Assembly) -> None:
    assert all((FUNCTIONS / f"{name}.py").is_file() for name in assembly.functions())


def test_crewai_is_under_those_alone_who_run_crews_or_their_tools(assembly: Assembly) -> None:
    layers = {
        name: [layer["Ref"].removeprefix("Code")[:4] for layer in properties["Layers"]]
        for name, (_, properties) in assembly.functions().items()
    }
    expected = {
        "api": ["Base"],
        "authorizer": ["Base"],
        "monitor": ["Base"],
        "backup": ["Back", "Base"],
        "deployer": ["Base", "Crew"],
        "worker": ["Base", "Crew"],
        "tools_runner": ["Base", "Crew", "Tool"],
    }
    assert layers == assembly.expect(expected, ["Base"])


def test_size_and_time(assembly: Assembly) -> None:
    expected = {
        "api": (512, 20),
        "authorizer": (256, 5),
        "deployer": (2048, 300),
        "worker": (2048, 900),
        "monitor": (512, 50),
        "backup": (512, 900),
        "tools_runner": (2048, 390),
    }
    assert {
        name: (properties["MemorySize"], properties["Timeout"])
        for name, (_, properties) in assembly.functions().items()
    } == assembly.expect(expected, (256, 360))


def test_who_calls_tools_sees_their_function_end(development: Assembly) -> None:
    _, properties = development.functions()["tools_runner"]
    assert LOADING_SECONDS + LONGEST_SECONDS < properties["Timeout"] < READ_SECONDS


def test_only_those_who_send_to_their_own_queue_may_start_themselves_again(
    assembly: Assembly,
) -> None:
    loops = {n: properties["RecursiveLoop"] for n, (_, properties) in assembly.functions().items()}
    assert {name for name, loop in loops.items() if loop == "Allow"} == {
        "backup",
        "deployer",
        "worker",
    }
    assert set(loops.values()) == {"Allow", "Terminate"}


@pytest.mark.parametrize("platform", ["arm64", "x86_64"])
def test_functions_and_layers_are_of_the_platform(
    synthesise: Callable[..., Assembly], platform: str
) -> None:
    assembly = synthesise("development", platform=platform)
    for _, properties in assembly.functions().values():
        assert (properties["Runtime"], properties["Architectures"]) == ("python3.13", [platform])
    for layer in assembly.find("AWS::Lambda::LayerVersion").values():
        assert layer["CompatibleArchitectures"] == [platform]


def test_each_function_has_its_own_log_group_with_an_end(assembly: Assembly) -> None:
    groups = [
        properties["LoggingConfig"]["LogGroup"]["Ref"]
        for _, properties in assembly.functions().values()
    ]
    assert len(set(groups)) == len(groups)
    assert all(
        properties["RetentionInDays"] > 0
        for properties in assembly.find("AWS::Logs::LogGroup").values()
    )


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_queues_start_one_function_for_one_message(
    synthesise: Callable[..., Assembly], name: str
) -> None:
    assembly = synthesise(name)
    sources = {
        assembly.find_live(source["FunctionName"]): source
        for source in assembly.find("AWS::Lambda::EventSourceMapping").values()
    }
    limits = {n: s["ScalingConfig"]["MaximumConcurrency"] for n, s in sources.items()}
    assert limits == {
        "worker": load_target(name).environment.max_concurrent_tasks,
        "deployer": 2,
        "backup": 5,
    }
    for source in sources.values():
        assert source["BatchSize"] == 1
        assert "MaximumBatchingWindowInSeconds" not in source


def test_the_monitor_starts_each_minute_and_ends_before_the_next(assembly: Assembly) -> None:
    _, properties = assembly.functions()["monitor"]
    assert find_schedule(assembly, "monitor") == "rate(1 minute)"
    assert properties["Timeout"] < 60
    assert find_retries(assembly, "monitor") == 0


def test_backups_are_planned_at_each_full_hour_and_once_more_if_that_fails(
    assembly: Assembly,
) -> None:
    assert find_schedule(assembly, "backup") == "cron(0 * * * ? *)"
    assert find_retries(assembly, "backup") == 2


def find_schedule(assembly: Assembly, function: str) -> str:
    """Of the one rule whose only target the function is."""
    [rule] = [
        rule
        for rule in assembly.find("AWS::Events::Rule").values()
        if [assembly.find_live(target["Arn"]) for target in rule["Targets"]] == [function]
    ]
    expression: str = rule["ScheduleExpression"]
    return expression


def find_retries(assembly: Assembly, function: str) -> int:
    [config] = [
        config
        for config in assembly.find("AWS::Lambda::EventInvokeConfig").values()
        if assembly.find_live(config["Qualifier"]) == function
    ]
    retries: int = config["MaximumRetryAttempts"]
    return retries
