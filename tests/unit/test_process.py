import os
from pathlib import Path

import pytest

from quarterdeck import process
from quarterdeck.process import prepare_process


def test_a_home_that_is_not_there_is_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(process, "LAMBDA_HOME", tmp_path / "home")
    for home in ("/home/sbx_user1051", None):
        monkeypatch.setenv("HOME", home) if home else monkeypatch.delenv("HOME")
        prepare_process()
        assert Path(os.environ["HOME"]) == tmp_path / "home"
        assert Path(os.environ["HOME"]).is_dir()


def test_a_home_that_can_be_written_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    prepare_process()
    assert os.environ["HOME"] == str(tmp_path)


def test_telemetry_is_off_and_what_is_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREWAI_DISABLE_TELEMETRY", "false")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "false")
    monkeypatch.setenv("CREWAI_STORAGE_DIR", "elsewhere")
    monkeypatch.delenv("CREWAI_TRACING_ENABLED")
    prepare_process()
    assert os.environ["CREWAI_DISABLE_TELEMETRY"] == os.environ["OTEL_SDK_DISABLED"] == "true"
    assert os.environ["CREWAI_STORAGE_DIR"] == "elsewhere"
    assert os.environ["CREWAI_TRACING_ENABLED"] == "false"
