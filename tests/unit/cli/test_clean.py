"""``invoke clean`` removes what can be made again, and nothing that was measured."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from piyard.cli import machine
from piyard.core import paths
from piyard.core.download import downloads_folder
from piyard.models import definition

MEASURED = ("runs", "results", "evaluations", "logs")


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    """Shelves, a file beside them, and a link to somebody else's shelf."""
    for shelf in (*MEASURED, "builds", "conversions"):
        (paths.artifacts() / shelf).mkdir(parents=True)
        (paths.artifacts() / shelf / "content").touch()
    (paths.artifacts() / "results.sqlite").touch()
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "content").touch()
    (paths.artifacts() / "ncnn").symlink_to(tmp_path / "others")
    return paths.artifacts()


def test_what_was_measured_stays(artifacts: Path, tmp_path: Path) -> None:
    machine.clean(everything=False, dry_run=False)
    assert sorted(each.name for each in artifacts.iterdir()) == sorted(MEASURED)
    assert all((artifacts / shelf / "content").exists() for shelf in MEASURED)
    assert (tmp_path / "others" / "content").exists()


def test_a_dry_run_says_it_and_removes_nothing(
    artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(artifacts.rglob("*"))
    machine.clean(everything=False, dry_run=True)
    assert sorted(artifacts.rglob("*")) == before
    output = capsys.readouterr().out.splitlines()
    names = ("builds", "conversions", "ncnn", "results.sqlite")
    assert output == [f"remove {artifacts / name}" for name in names]


def test_nothing_was_made_yet(capsys: pytest.CaptureFixture[str]) -> None:
    machine.clean(everything=False, dry_run=False)
    assert capsys.readouterr().out == ""


def test_files_of_own_models_stay_when_everything_goes(
    artifacts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They cannot be downloaded again, and the user's own file may be gone."""
    shutil.copytree(definition.MODELS_FOLDER, tmp_path / "models")
    monkeypatch.setattr(definition, "MODELS_FOLDER", tmp_path / "models")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(machine, "_clean_engine", lambda **_: None)
    text = (tmp_path / "models" / "squeezenet1_1.yaml").read_text()
    listed = yaml.safe_load(text) | {"own": True}
    listed["weights"] = [{"source": "a", "licence": "b", "dataset": "c", "sha256": "a" * 64}]
    (tmp_path / "models" / "mine.yaml").write_text(yaml.safe_dump(listed))
    for name in ("a" * 64, "b" * 64):
        (downloads_folder() / name).mkdir(parents=True)
    (paths.cache() / "other").mkdir()
    machine.clean(everything=True, dry_run=False)
    assert [each.name for each in downloads_folder().iterdir()] == ["a" * 64]
    assert [each.name for each in paths.cache().iterdir()] == ["downloads"]
    assert "kept: 1 file of own models" in capsys.readouterr().err
