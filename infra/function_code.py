"""What the functions are made of: their code, and the layers under it."""

from collections.abc import Mapping
from pathlib import Path

from aws_cdk.aws_lambda import Architecture, Code, LayerVersion, Runtime
from constructs import Construct

from layers.packages import Platform

ARCHITECTURES: dict[Platform, Architecture] = {
    "x86_64": Architecture.X86_64,
    "arm64": Architecture.ARM_64,
}


class FunctionCode(Construct):
    """Zips by name: `functions` is the code of every function, each other one a layer."""

    def __init__(
        self, scope: Construct, construct_id: str, *, zips: Mapping[str, Path], platform: Platform
    ) -> None:
        super().__init__(scope, construct_id)
        self.architecture = ARCHITECTURES[platform]
        self.runtime = Runtime.PYTHON_3_13
        self.functions = Code.from_asset(str(zips["functions"]))
        self.layers = {
            name: LayerVersion(
                self,
                name.capitalize(),
                code=Code.from_asset(str(path)),
                compatible_architectures=[self.architecture],
                compatible_runtimes=[self.runtime],
            )
            for name, path in zips.items()
            if name != "functions"
        }
