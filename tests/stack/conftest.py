"""The stack tier: the templates of each environment, synthesised once, with tiny zips as assets."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App

from infra.app import add_stacks
from infra.environment import DIRECTORY, load_target

CDK_JSON = Path(__file__).parents[2] / "cdk.json"
ENVIRONMENTS = sorted(path.stem for path in DIRECTORY.glob("*.yaml"))

type Resource = dict[str, Any]


@dataclass(frozen=True)
class Assembly:
    """An app that is synthesised; resources by logical id."""

    app: App
    templates: list[Path]
    data: dict[str, Resource]
    service: dict[str, Resource]

    def find(self, kind: str) -> dict[str, Any]:
        """The properties of every resource of a type, {logical id: properties}."""
        return {
            logical_id: resource.get("Properties", {})
            for logical_id, resource in (self.data | self.service).items()
            if resource["Type"] == kind
        }

    def find_one(self, kind: str) -> Any:
        [properties] = self.find(kind).values()
        return properties

    def find_id(self, kind: str, beginning: str) -> str:
        """The logical id of the one resource of a type whose logical id begins so."""
        [found] = [name for name in self.find(kind) if name.startswith(beginning)]
        return found

    def functions(self) -> dict[str, tuple[str, Any]]:
        """{name: (logical id, properties)} of the functions."""
        return {
            properties["Handler"].removesuffix(".lambda_handler"): (logical_id, properties)
            for logical_id, properties in self.find("AWS::Lambda::Function").items()
        }

    def expect[V](self, expected: dict[str, V], release_check: V) -> dict[str, V]:
        """What is expected of each function, with the one that only a canary has."""
        checked = self.find("AWS::CodeDeploy::Application")
        return expected | ({"release_check": release_check} if checked else {})

    def find_live(self, reference: Any) -> str:
        """The name of the function at whose alias a reference points; fails if at none."""
        functions = {logical_id: name for name, (logical_id, _) in self.functions().items()}
        [name] = [
            functions[alias["FunctionName"]["Ref"]]
            for logical_id, alias in self.find("AWS::Lambda::Alias").items()
            if {"Ref": logical_id} in walk(reference)
        ]
        return name

    def statements(self, function: str) -> Iterator[Any]:
        """Every statement of every policy of the function's role."""
        _, properties = self.functions()[function]
        role = properties["Role"]["Fn::GetAtt"][0]
        for policy in self.find("AWS::IAM::Policy").values():
            if {"Ref": role} in policy["Roles"]:
                yield from policy["PolicyDocument"]["Statement"]


@pytest.fixture(scope="session")
def synthesise(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Assembly]:
    """Makes the assembly of an environment, once for each way to call it."""
    zips = {}
    for name in ("functions", "base", "crewai", "backup", "tools"):
        zips[name] = tmp_path_factory.mktemp("assets") / f"{name}.zip"
        with zipfile.ZipFile(zips[name], "w") as archive:
            archive.writestr(f"{name}.txt", name)

    @cache
    def make_assembly(name: str, **options: Any) -> Assembly:
        app = App(
            analytics_reporting=False,
            context=json.loads(CDK_JSON.read_text())["context"],
            outdir=str(tmp_path_factory.mktemp(name)),
        )
        stacks = add_stacks(app, load_target(name, **options), zips)
        assembly = app.synth()
        templates = [
            Path(assembly.get_stack_artifact(stack.artifact_id).template_full_path)
            for stack in stacks
        ]
        data, service = (json.loads(path.read_text())["Resources"] for path in templates)
        return Assembly(app, templates, data, service)

    return make_assembly


@pytest.fixture(params=ENVIRONMENTS)
def assembly(request: pytest.FixtureRequest, synthesise: Callable[..., Assembly]) -> Assembly:
    return synthesise(request.param)


@pytest.fixture
def development(synthesise: Callable[..., Assembly]) -> Assembly:
    return synthesise("development")


@pytest.fixture
def production(synthesise: Callable[..., Assembly]) -> Assembly:
    return synthesise("production")


@pytest.fixture
def dress(
    synthesise: Callable[..., Assembly], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Assembly]:
    """Production with other settings."""

    def dress_production(**settings: Any) -> Assembly:
        directory = tmp_path_factory.mktemp("environments")
        written = yaml.safe_load((DIRECTORY / "production.yaml").read_text())
        (directory / "production.yaml").write_text(yaml.safe_dump(written | settings))
        return synthesise("production", directory=directory)

    return dress_production


@pytest.fixture
def lint() -> Callable[[Assembly], None]:
    """Fails with what cfn-lint says of the templates."""

    def lint_templates(assembly: Assembly) -> None:
        ended = subprocess.run(
            [Path(sys.executable).with_name("cfn-lint"), *assembly.templates],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 0)

    return lint_templates


def as_list(value: Any) -> list[Any]:
    """What CloudFormation writes as one value when it is one."""
    return value if isinstance(value, list) else [value]


def walk(value: Any) -> Iterator[Any]:
    """A value of a template, and all that is in it."""
    yield value
    match value:
        case dict():
            for each in value.values():
                yield from walk(each)
        case list():
            for each in value:
                yield from walk(each)


def flatten(value: Any) -> str:
    """A value of a template as text: references by name, in angle brackets."""
    match value:
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(flatten(part) for part in parts)
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Ref": name} | {"Fn::ImportValue": name}:
            return f"<{name}>"
    return str(value)
