"""The directories of Lambda, filled from the built zips, and processes that see nothing else."""

import hashlib
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from layers.archive import hold_lock
from layers.build import BUILD, build_all
from layers.layer import LAYERS

# What Lambda sets. HOME cannot be written there, nor can a directory be made in a file.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_REGION": "eu-west-1",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "HOME": "/dev/null/home",
    "LANG": "en_US.UTF-8",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "TZ": ":UTC",
}

# The path is all that a process has beside the standard library: no site packages, no variables.
SET_PATH = """
import sys
sys.path[:0] = sys.argv.pop(1).split(":")
"""
RUN_MODULE = """
import runpy
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Sandbox:
    """Where the functions bundle and the layers are unzipped: /var/task and /opt on Lambda."""

    task: Path
    opt: Path

    def run_module(self, module: str, *arguments: str, beside: Iterable[Path] = ()) -> list[str]:
        """The command that runs a module where only bundle, layers and `beside` are on the path."""
        return self.run_code(RUN_MODULE, module, *arguments, beside=beside)

    def run_code(self, code: str, *arguments: str, beside: Iterable[Path] = ()) -> list[str]:
        """The command that runs Python code there, with the arguments in sys.argv[1:]."""
        path = ":".join(map(str, (self.task, self.opt / "python", *beside)))
        python = sys._base_executable  # type: ignore[attr-defined]  # not the venv's: no packages
        return [python, "-I", "-S", "-B", "-c", SET_PATH + code, path, *arguments]


def prepare_sandbox() -> Sandbox:
    """Builds what changed, and unzips it."""
    return Sandbox(
        task=unpack_zips([build_all(names=["functions"])["functions"]]), opt=prepare_opt()
    )


def prepare_opt() -> Path:
    """Builds and unzips the layers for this machine."""
    return unpack_zips(build_all(names=LAYERS).values())


def unpack_zips(archives: Collection[Path], directory: Path = BUILD / "sandbox") -> Path:
    """A directory with the content of the zips, unpacked once for the same zips."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in archives)).hexdigest()
    target = directory / "-".join([*(path.stem for path in archives), digest[:16]])
    with hold_lock(target):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=directory, prefix=".unpacking-") as temporary:
                tree = Path(temporary, "tree")
                for path in archives:
                    zipfile.ZipFile(path).extractall(tree)
                tree.rename(target)
    return target


def copy_distribution(name: str, directory: Path) -> None:
    """Copies an installed distribution, and those it requires, into a directory of their own."""
    installed = distribution(name)
    for file in installed.files or []:
        if ".." not in file.parts and file.suffix != ".pyc":
            target = directory / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(installed.locate_file(file)), target)
    for requirement in installed.requires or []:
        copy_distribution(requirement.partition(">=")[0], directory)
