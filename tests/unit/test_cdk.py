"""`make deploy`, `diff`, `destroy`: what is refused before the CDK starts, and what it is told."""

import json
from pathlib import Path

import pytest

from infra import cdk
from infra.cdk import check_action, find_account, make_arguments, make_report, pick_failure, run_cdk
from infra.environment import load_target
from infra.local.failure import LocalRunFailed


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    """An assembly of staging, as far as the check reads it."""
    (tmp_path / "manifest.json").write_text(json.dumps({}))
    (tmp_path / "Quarterdeck-staging-Service.template.json").write_text("{}")
    return tmp_path


def test_an_assembly_goes_where_it_was_made_for(staging: Path) -> None:
    check_action("deploy", load_target("staging"), staging)
    with pytest.raises(LocalRunFailed, match="is not of production: it has no stack"):
        check_action("deploy", load_target("production"), staging)


def test_what_is_no_assembly_is_said(tmp_path: Path) -> None:
    with pytest.raises(LocalRunFailed, match="holds no assembly: make synth ENV=staging"):
        check_action("diff", load_target("staging"), tmp_path)


def test_what_is_protected_is_not_destroyed(staging: Path) -> None:
    (staging / "Quarterdeck-production-Service.template.json").write_text("{}")
    check_action("destroy", load_target("staging"), staging)
    check_action("deploy", load_target("production"), staging)
    with pytest.raises(LocalRunFailed, match="production has deletion_protection: "):
        check_action("destroy", load_target("production"), staging)


def test_nobody_is_asked_where_nobody_answers(tmp_path: Path) -> None:
    assert "--force" in make_arguments("destroy", tmp_path, attended=False)
    assert "--force" not in make_arguments("destroy", tmp_path, attended=True)
    assert "--force" not in make_arguments("deploy", tmp_path, attended=False)


def test_a_diff_reads_and_makes_no_change_set(tmp_path: Path) -> None:
    arguments = make_arguments("diff", tmp_path, attended=False)
    assert arguments[arguments.index("--method") + 1] == "template"


def test_no_region_and_no_credentials_are_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(LocalRunFailed, match="no region is set"):
        find_account()
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        with monkeypatch.context() as patched:
            patched.setenv(name, "eu-central-1")
            with pytest.raises(LocalRunFailed, match=r"AWS does not know you: .*credentials"):
                find_account()


def write_npx(directory: Path, script: str) -> None:
    npx = directory / "npx"
    npx.write_text(f"#!/bin/sh\n{script}\n")
    npx.chmod(0o755)


def test_a_failure_of_the_cdk_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write_npx(tmp_path, 'echo "to $2"; echo "❌  Stack failed: no right"; echo bye >&2; exit 3')
    monkeypatch.setattr(cdk, "require_node", lambda: "22")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(LocalRunFailed) as caught:
        run_cdk(["deploy"])
    assert str(caught.value) == "cdk deploy: Stack failed: no right"
    assert capfd.readouterr().out.startswith(f"to {cdk.CLI}\n")


def test_without_npx_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdk, "require_node", lambda: "22")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalRunFailed, match="npx is missing"):
        run_cdk(["deploy"])


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([], "it said nothing"),
        (["one", "two", ""], "two"),
        (["Error: expired", "see the docs"], "Error: expired"),
    ],
)
def test_the_reason_is_what_is_marked_as_one(said: list[str], reason: str) -> None:
    assert pick_failure(said) == reason


def test_a_report_has_the_stacks_and_fits_a_comment() -> None:
    said = ["npm warn x", "Stack A", "[+] one", "", "Stack B", "There were no differences"]
    report = make_report("staging", said)
    assert report == (
        "What this changes in staging:\n\n~~~~\n"
        "Stack A\n[+] one\n\nStack B\nThere were no differences\n~~~~\n"
    )
    long = make_report("staging", ["Stack A", "x" * 70_000])
    assert len(long) < 65_536
    assert long.endswith("… cut here: make diff ENV=staging has all of it\n~~~~\n")
