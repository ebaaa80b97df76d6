"""The layers and the functions bundle, as they are uploaded."""

import marshal
import re
import tomllib
import zipfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path, PurePosixPath
from types import CodeType

import pytest
from packaging.utils import canonicalize_name

from layers.archive import measure_zip
from layers.build import build_all, find_host_platform
from layers.functions import build_functions
from layers.layer import LAYERS, build_layer
from layers.packages import UV_PLATFORMS, Platform, export_requirements, install_packages
from layers.programs import ROOT, BuildError, summarize_output
from layers.sbom import make_bill
from layers.stub import STUBS, write_stub
from layers.trees import is_needed
from quarterdeck.tooling.manifest import ADAPTER, load_manifest
from tests.prove import prove

MIB = 2**20
DIST_INFO = re.compile(r"python/([^/]+)-([^/-]+)\.dist-info/METADATA")

HOST = find_host_platform()
on_both_platforms = pytest.mark.parametrize(
    "platform",
    [
        platform if platform == HOST else pytest.param(platform, marks=prove)
        for platform in UV_PLATFORMS
    ],
)


def list_names(archive: Path) -> set[str]:
    with zipfile.ZipFile(archive) as opened:
        return set(opened.namelist())


def list_versions(archive: Path) -> dict[str, str]:
    found = filter(None, map(DIST_INFO.fullmatch, list_names(archive)))
    return {canonicalize_name(match[1]): match[2] for match in found}


def read_files(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*.py")
    }


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=prove) if n == "crewai" else n for n in LAYERS]
)
def test_layer_builds_to_the_same_bytes(name: str, tmp_path: Path) -> None:
    again = build_layer(name, HOST, tmp_path / "again.zip")

    assert again.read_bytes() == build_all(HOST, [name])[name].read_bytes()


def test_functions_build_to_the_same_bytes(tmp_path: Path) -> None:
    again = build_functions(tmp_path / "again.zip")

    assert again.read_bytes() == build_all(names=["functions"])["functions"].read_bytes()


@on_both_platforms
def test_layers_fit_lambda(platform: Platform) -> None:
    built = build_all(platform)
    unzipped = {name: measure_zip(path)[1] for name, path in built.items()}

    assert unzipped["crewai"] <= 140 * MIB
    assert unzipped["backup"] <= 25 * MIB
    for name, beside in LAYERS.items():
        assert unzipped["functions"] + sum(unzipped[layer] for layer in (name, *beside)) < 200 * MIB


@on_both_platforms
def test_layers_hold_python_and_share_no_file_with_those_beside_them(platform: Platform) -> None:
    names = {layer: list_names(path) for layer, path in build_all(platform, LAYERS).items()}

    assert all(name.startswith("python/") for layer in names.values() for name in layer)
    for layer, beside in LAYERS.items():
        assert not [other for other in beside if names[layer] & names[other]]


@on_both_platforms
def test_layers_have_the_locked_versions_and_no_package_twice(platform: Platform) -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    locked = {package["name"]: package.get("version") for package in lock["package"]}
    versions = {layer: list_versions(path) for layer, path in build_all(platform, LAYERS).items()}

    assert {"aws-lambda-powertools", "boto3", "pydantic"} <= set(versions["base"])
    assert {"anthropic", "crewai", "openai"} <= set(versions["crewai"])
    assert {"aws-encryption-sdk", "backports-zstd"} <= set(versions["backup"])
    assert {"beautifulsoup4"} <= set(versions["tools"])
    assert all(found.items() <= locked.items() for found in versions.values())
    for layer, beside in LAYERS.items():
        assert not [other for other in beside if versions[layer].keys() & versions[other].keys()]


@on_both_platforms
def test_libraries_are_of_the_platform(platform: Platform) -> None:
    other = {"x86_64": "aarch64", "arm64": "x86_64"}[platform]
    names = {name for path in build_all(platform, LAYERS).values() for name in list_names(path)}

    assert any(name.endswith(".so") for name in names)
    assert not [name for name in names if name.endswith(f"-{other}-linux-gnu.so")]


@pytest.mark.parametrize(
    ("archive", "module", "deployed"),
    [
        ("crewai", "python/crewai/crew.py", "/opt/python/crewai/crew.py"),
        ("functions", "quarterdeck/table.py", "/var/task/quarterdeck/table.py"),
    ],
)
def test_compiled_code_is_trusted_and_names_the_deployed_file(
    archive: str, module: str, deployed: str
) -> None:
    source = PurePosixPath(module)
    compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
    with zipfile.ZipFile(build_all(names=[archive])[archive]) as opened:
        pyc = opened.read(compiled.as_posix())

    code = marshal.loads(pyc[16:])
    assert pyc[4:8] == b"\x01\x00\x00\x00", "hash-based, unchecked: PEP 552"
    assert isinstance(code, CodeType)
    assert code.co_filename == deployed


def test_functions_bundle_has_handlers_and_documents_alone() -> None:
    names = list_names(build_all(names=["functions"])["functions"])

    assert {"api.py", "worker.py", "openapi.json", "docs.html", "tools.json"} <= names
    assert {PurePosixPath(name).suffix for name in names} <= {
        *(".py", ".pyc", ".yaml", ".json", ".html", ".txt")
    }


def test_the_bundle_knows_its_tools() -> None:
    with zipfile.ZipFile(build_all(names=["functions"])["functions"]) as opened:
        manifest = ADAPTER.validate_json(opened.read("tools.json"))

    assert manifest == load_manifest()


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("crewai/crew.py", True),
        ("crewai/translations/en.json", True),
        ("crewai-1.15.30.dist-info/METADATA", True),
        ("crewai-1.15.30.dist-info/entry_points.txt", True),
        ("numpy-2.5.5.dist-info/licenses/LICENSE.txt", True),
        ("numpy-2.5.5.dist-info/RECORD", False),
        ("numpy/testing/__init__.py", True),
        ("numpy/linalg/tests/test_linalg.py", False),
        ("jinja2/tests.py", True),
        ("openai/cli/bin/x.py", True),
        ("bin/openai", False),
        ("six.pyi", False),
    ],
)
def test_pruning_keeps_what_runs(path: str, needed: bool) -> None:
    assert is_needed(PurePosixPath(path)) is needed


def test_package_that_cannot_be_had_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))

    with pytest.raises(BuildError, match="uv could not install the packages for arm64") as raised:
        build_layer("base", "arm64", tmp_path / "base.zip")

    assert len(str(raised.value).splitlines()) == 1
    assert not (tmp_path / "base.zip").exists()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: re.sub(r" \\\n +--hash=\S+", "", text), "hash"),
        (
            lambda text: re.sub(r"sha256:\w{64}", f"sha256:{'0' * 64}", text),
            "Failed to download .* sha256:",
        ),
    ],
    ids=["none", "another"],
)
def test_package_without_its_hash_is_refused(
    spoil: Callable[[str], str], reason: str, tmp_path: Path
) -> None:
    locked = export_requirements("tools", LAYERS["tools"])
    spoiled = spoil(locked)
    assert spoiled != locked
    with pytest.raises(BuildError, match=reason):
        install_packages(spoiled, HOST, tmp_path / "site")
    assert not list(tmp_path.rglob("*.py"))


@pytest.mark.parametrize("name", LAYERS)
def test_bill_of_materials_is_what_the_layer_holds(name: str) -> None:
    bill = make_bill(name)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    held = list_versions(build_all(names=[name])[name])
    assert {canonicalize_name(c["name"]): c["version"] for c in bill["components"]} == held
    for component in bill["components"]:
        assert component["purl"] == f"pkg:pypi/{component['name']}@{component['version']}"
        assert any(reference["hashes"] for reference in component["externalReferences"])
    refs = {component["bom-ref"] for component in bill["components"]}
    needed = {ref for each in bill["dependencies"] for ref in each["dependsOn"]}
    assert needed <= refs == {each["ref"] for each in bill["dependencies"]}
    assert make_bill(name) == bill


def test_failed_program_is_summarized_by_its_first_line_and_cause() -> None:
    assert summarize_output("\nerror: no\n  Caused by: x\n  Caused by: dns\n") == (
        "error: no … Caused by: dns"
    )
    assert summarize_output("error: no\n") == "error: no"
    assert summarize_output("") == "it said nothing"


def test_committed_stub_is_what_the_installed_crewai_needs(tmp_path: Path) -> None:
    write_stub(tmp_path)

    assert read_files(tmp_path) == read_files(STUBS)


def test_stub_can_be_imported_but_not_used() -> None:
    client = import_module("chromadb").PersistentClient
    settings = import_module("chromadb.config").Settings

    for name in (client, type("Subclass", (client,), {})):
        with pytest.raises(ImportError, match="chromadb is not part of this deployment"):
            name(path="/tmp/db")
    assert settings(is_persistent=True, anything="goes").model_dump()["anything"] == "goes"
