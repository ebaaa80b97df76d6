"""Builds what Lambda gets, without Docker: the layers and the functions bundle, as zips in build/.

python -m layers.build [--platform x86_64|arm64|host|all] [NAME ...]

The names are base, crewai, backup, tools and functions; all if none is given.
"""

import argparse
import platform as machine
import sys
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from layers.archive import measure_zip
from layers.functions import build_functions
from layers.layer import LAYERS, build_layer
from layers.packages import UV_PLATFORMS, Platform
from layers.programs import ROOT, BuildError

BUILD = ROOT / "build"
FUNCTIONS_ZIP = BUILD / "functions.zip"
NAMES = (*LAYERS, "functions")


def build_all(platform: Platform | None = None, names: Collection[str] = NAMES) -> dict[str, Path]:
    """Builds what is named for a platform (this machine's if None) when it changed: {name: zip}."""
    target = platform or find_host_platform()
    with ThreadPoolExecutor(max_workers=2) as pool:
        built = {name: pool.submit(_build_one, name, target) for name in names}
        return {name: path.result() for name, path in built.items()}


def locate_layer(name: str, platform: Platform) -> Path:
    """Where the zip of a layer is once it is built."""
    return BUILD / "layers" / f"{name}-{platform}.zip"


def find_host_platform() -> Platform:
    """The platform of Lambda whose code runs on this machine."""
    return "arm64" if machine.machine() in {"arm64", "aarch64"} else "x86_64"


def main(arguments: list[str]) -> int:
    """Builds what the command line names, and prints the size of each."""
    parser = argparse.ArgumentParser(prog="python -m layers.build")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}; else all")
    parser.add_argument("--platform", choices=[*UV_PLATFORMS, "host", "all"], default="host")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"nothing is called {', '.join(sorted(unknown))}: say {', '.join(NAMES)}")
    chosen: dict[str, list[Platform]] = {"host": [find_host_platform()], "all": [*UV_PLATFORMS]}
    platforms = chosen.get(options.platform, [options.platform])
    try:
        with ThreadPoolExecutor() as pool:
            built = list(pool.map(partial(build_all, names=options.names or NAMES), platforms))
    except BuildError as error:
        print(f"layers: {error}", file=sys.stderr)
        return 1
    for path in sorted({path for paths in built for path in paths.values()}):
        print(_describe_zip(path))
    return 0


def _build_one(name: str, platform: Platform) -> Path:
    if name in LAYERS:
        return build_layer(name, platform, locate_layer(name, platform))
    return build_functions(FUNCTIONS_ZIP)


def _describe_zip(path: Path) -> str:
    zipped, unzipped = (size / 2**20 for size in measure_zip(path))
    return f"{path.stem.replace('-', ' ')} zip {zipped:.1f} MiB unzipped {unzipped:.1f} MiB"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
