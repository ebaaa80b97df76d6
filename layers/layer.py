"""The layers: packages that functions share, installed from uv.lock, pruned and compiled."""

import platform as machine
import shutil
from pathlib import Path

from layers.archive import digest_files, digest_values, refresh_zip
from layers.packages import Platform, export_requirements, install_packages
from layers.programs import ROOT
from layers.trees import compile_tree, list_files, prune_site

# Each layer is a dependency group, less the groups that are always mounted beside it.
LAYERS: dict[str, tuple[str, ...]] = {
    "base": (),
    "crewai": ("base",),
    "backup": ("base",),
    "tools": ("base", "crewai"),
}


def build_layer(name: str, platform: Platform, target: Path) -> Path:
    """Makes the zip `target` of a layer when what goes in changed."""
    requirements = export_requirements(name, LAYERS[name])
    stubs = Path(__file__).parent / name / "stubs"

    def make_tree(tree: Path) -> None:
        site = tree / "python"
        install_packages(requirements, platform, site)
        if stubs.exists():
            shutil.copytree(stubs, site, dirs_exist_ok=True)
        prune_site(site)
        compile_tree(site, "/opt/python")

    inputs = digest_values(
        digest_files(ROOT, Path(__file__).parent.glob("*.py")),
        digest_files(ROOT, list_files(stubs)),
        requirements,
        platform,
        machine.python_version(),
    )
    return refresh_zip(target, inputs, make_tree)
