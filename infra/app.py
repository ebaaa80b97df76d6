"""The CDK app, `cdk synth` with these contexts:

-c environment=NAME     a file of infra/environments; development if not given
-c platform=PLATFORM    arm64 (if not given) or x86_64, for functions and layers
-c local=true           for the emulator of infra/local
"""

from collections.abc import Mapping
from pathlib import Path

from aws_cdk import App
from constructs import Node

from infra.data_stack import DataStack
from infra.environment import InvalidEnvironmentError, Target, load_target
from infra.service_stack import ServiceStack
from layers.build import build_all
from layers.programs import BuildError


def read_target(context: Node) -> Target:
    """Where the command line says the stacks are to run; raises InvalidEnvironmentError."""
    name = context.try_get_context("environment") or "development"
    options = {key: context.try_get_context(key) for key in ("platform", "local")}
    return load_target(name, **{key: value for key, value in options.items() if value is not None})


def add_stacks(
    app: App, target: Target, zips: Mapping[str, Path]
) -> tuple[DataStack, ServiceStack]:
    """Both stacks of an environment; `zips` is what `build_all` answers."""
    data = DataStack(app, target)
    return data, ServiceStack(app, target, data=data, zips=zips)


def main() -> None:
    app = App(analytics_reporting=False)
    try:
        target = read_target(app.node)
        zips = build_all(target.platform)
    except (InvalidEnvironmentError, BuildError) as error:
        raise SystemExit(str(error)) from None
    add_stacks(app, target, zips)
    app.synth()


if __name__ == "__main__":
    main()
