"""What layers are installed from: pinned, each package by its hash."""

import re
from pathlib import Path

import pytest

from layers.layer import LAYERS
from layers.packages import export_requirements, install_packages, list_packages
from layers.programs import BuildError


@pytest.mark.parametrize(("layer", "left_out"), LAYERS.items())
def test_every_package_of_a_layer_has_its_hashes(layer: str, left_out: tuple[str, ...]) -> None:
    exported = export_requirements(layer, left_out)
    pinned = re.split(r"\n(?=\S)", exported.strip()) if exported.strip() else []
    assert len(pinned) == len(list_packages(exported))
    for requirement in pinned:
        assert re.search(r"==[^\s]+ (;.*)?\\\n\s+--hash=sha256:[0-9a-f]{64}", requirement)


def test_a_package_without_a_hash_is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"(?s)could not install.*hash"):
        install_packages("pyyaml==6.0.2\n", "arm64", tmp_path / "site")
    assert not list(tmp_path.glob("site/yaml*"))
